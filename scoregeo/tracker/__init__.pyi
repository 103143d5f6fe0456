from .base import AbstractTracker as AbstractTracker
from .jsonl import JsonlTracker as JsonlTracker
from .wandb import WandbTracker as WandbTracker
