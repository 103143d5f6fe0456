"""Where networks run and what they take: half precision, batches by memory, offloading."""

import copy
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import scoregeo
from scoregeo._utils.device import device_of
from scoregeo._utils.errors import ConfigError, ScoreError
from scoregeo._utils.memory import GIB
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.metric.energy_gradient import autograd_gradient
from scoregeo.metric.pullback import PullbackMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.score import batch
from scoregeo.score.allocated import Allocated
from scoregeo.score.base import CountingScore
from scoregeo.score.batch import in_batches
from scoregeo.score.field import ScoreField
from scoregeo.score.latent_model import AbstractLatentModel
from scoregeo.score.loading import from_pipe
from scoregeo.score.text_to_image import model_at
from scoregeo.score.tuning import tune
from scoregeo.solver.adam import Adam
from scoregeo.solver.lbfgs import LBFGS
from scoregeo.solver.least_squares.score_jacobian import ScoreJacobian
from tests.score.mixture_unet import mixture
from tests.score.tiny_pipelines import noise, tiny_pipeline

CPU = torch.device("cpu")


@pytest.fixture
def model() -> AbstractLatentModel:
    return from_pipe(copy.deepcopy(tiny_pipeline("sdxl")))


# Numbers


class Seen(TorchDispatchMode):
    """The types of floating point in each operation's arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.dtypes: dict[str, set[torch.dtype]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [one for one in tree_leaves(args) if isinstance(one, torch.Tensor)]
        found = self.dtypes.setdefault(str(func.overloadpacket), set())
        found |= {one.dtype for one in given if one.is_floating_point()}
        return func(*args, **(kwargs or {}))


def test_a_half_network_float32_latents_and_float64_algebra() -> None:
    pipe = copy.deepcopy(tiny_pipeline("sdxl")).to(torch.bfloat16)
    text = model_at(from_pipe(pipe), (16, 16), timestep=400)
    ends = text.sigma * noise(2, *text.shape)
    field = text.field(text.along(("cat", "dog"), *ends))
    solver = scoregeo.GaussNewton(num_points=5, max_iterations=3)
    with Seen() as seen:
        start = scoregeo.path.linear(ends[None], 5)
        found = solver.solve(scoregeo.SteinMetric(field, lam=10.0), start)
    assert start.dtype == found.path.dtype == torch.float32
    assert found.energy.dtype == torch.float64 and bool(found.energy.isfinite().all())
    assert seen.dtypes["aten.convolution"] == {torch.bfloat16}
    algebra = {name: kinds for name, kinds in seen.dtypes.items() if "linalg" in name}
    assert algebra and set.union(*algebra.values()) == {torch.float64}


# Devices


def test_auto_takes_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"cuda": 2, "mps": True}
    monkeypatch.setattr("torch.cuda.is_available", lambda: there["cuda"] > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: there["cuda"])
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: there["mps"])
    assert (device_of("auto"), device_of("cuda:1"), device_of("mps")) == ("cuda", "cuda:1", "mps")
    there["cuda"] = 0
    assert device_of("auto") == "mps"
    with pytest.raises(ConfigError, match="device = 'cuda'.*no GPU.*'auto', 'cpu' or mps"):
        device_of("cuda")
    there["mps"] = False
    assert device_of("auto") == device_of("cpu") == "cpu"
    with pytest.raises(ConfigError, match="--device = 'mps'.*no Apple GPU"):
        device_of("mps", "--device")
    for name in ("gpu", "cuda:x", "", 0):
        with pytest.raises(ConfigError, match="'auto', 'cpu', 'cuda'"):
            device_of(name)  # type: ignore[arg-type]


def test_points_stay_on_the_processor_with_apple_s_gpu(
    model: AbstractLatentModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = "scoregeo.score.latent_model.device_of_network"
    monkeypatch.setattr(place, lambda _: torch.device("mps"))
    assert model.device == CPU
    monkeypatch.setattr(place, lambda _: torch.device("cuda:1"))
    assert model.device == torch.device("cuda:1")


# Memory


def test_memory_is_counted_as_it_is_taken_and_freed() -> None:
    given = torch.zeros(1000)
    with Allocated(CPU) as memory:
        a = given + 1  # 4000 bytes
        b = a.double()  # 8000 more
        c = b.view(10, 100).t()  # a view takes none
        given.add_(1)
        del b, c
        d = a * 2  # after 8000 were freed
    assert memory.peak == 12_000 and len(d) == 1000


class Convolutions(torch.nn.Module):
    """Three layers; runs out of memory above `room` images."""

    def __init__(self, room: int = 10**6) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(*(torch.nn.Conv2d(4, 4, 3, padding=1) for _ in range(3)))
        self.room, self.given = room, list[int]()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.given.append(len(x))
        if len(x) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        found: torch.Tensor = self.layers(x)
        return found


def batched(network: Convolutions, x: torch.Tensor, chunk: int | None, **more: Any) -> torch.Tensor:
    def work(part: slice, largest: int) -> torch.Tensor:
        return network(x[part])

    with torch.no_grad():
        return in_batches(network, len(x), chunk, work, kind=tuple(x.shape[1:]), **more)


def test_the_batch_follows_from_memory_and_its_peak_keeps_the_limit() -> None:
    network, x = Convolutions(), noise(40, 4, 16, 16)
    with torch.no_grad():
        wanted = network(x)
    network.given.clear()
    limit = 150_000  # an image takes 4096 bytes a layer
    with scoregeo.memory_limit(limit / GIB):
        found = batched(network, x, None)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    assert network.given[0] == 1  # measured
    largest = max(network.given)
    assert largest == limit // (2 * 4096) and len(network.given) < 5
    for count in (largest, largest + 1):
        with torch.no_grad(), Allocated(CPU) as memory:
            network.layers(x[:count])
        assert (memory.peak <= limit) == (count == largest)
    network.given.clear()
    with scoregeo.memory_limit(1e-6):
        batched(network, x[:3], None)
    assert network.given == [1, 1, 1]
    with scoregeo.memory_limit(8):
        batched(network, noise(100, 4, 16, 16), None)
    assert max(network.given) == batch.MOST


def test_out_of_memory_halves_the_batch_for_good(caplog: pytest.LogCaptureFixture) -> None:
    network, x = Convolutions(room=5), noise(20, 4, 8, 8)
    with torch.no_grad():
        wanted = network.layers(x)
    with caplog.at_level(logging.WARNING):
        found = batched(network, x, 16)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    assert network.given == [16, 8, 4, 4, 4, 4, 4]
    assert "out of memory at a batch of 16: 8 from here on (score.chunk)" in caplog.text
    network.given.clear()
    batched(network, x, 16)
    assert max(network.given) == 4
    with pytest.raises(ScoreError, match=r"out of memory.*score\.chunk at 1"):
        batched(Convolutions(room=0), x, 16)


def test_of_three_that_do_not_fit_two_are_tried() -> None:
    network = Convolutions(room=2)
    batched(network, noise(6, 4, 8, 8), 6)
    assert network.given == [6, 3, 2, 2, 2]


def test_a_graph_that_does_not_fit_leaves_the_batch_of_values(model: AbstractLatentModel) -> None:
    score, x = model.score("cat", size=16), noise(6, *model.latent_shape(16))
    wanted, product = score.vjp(x, x, 1.0)
    given: list[int] = []

    def only_two(_: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        given.append(len(inputs[0]))
        if inputs[0].requires_grad and len(inputs[0]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    model.network.register_forward_pre_hook(only_two)
    found = score.vjp(x, x, 1.0)
    torch.testing.assert_close(found, (wanted, product), rtol=1e-4, atol=1e-5)
    assert given[:5] == [6, 3, 2, 2, 2]
    given.clear()
    torch.testing.assert_close(score.score(x, 1.0), wanted, rtol=1e-4, atol=1e-5)
    assert given == [6]
    score.vjp(x, x, 1.0)
    assert max(given[1:]) == 2  # known


def in_a_backward_pass() -> bool:
    return bool(torch._C._current_graph_task_id() != -1)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_memory_that_runs_out_in_a_backward_pass(
    model: AbstractLatentModel, guidance: float
) -> None:
    score = CountingScore(model.score("cat", "", guidance, 16, chunk=4))
    x, room, given = noise(6, *model.latent_shape(16)), 2, list[int]()
    wanted, score.count = score.vjp(x, x, 1.0), 0

    def limited(_: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        given.append(len(inputs[0]))
        if in_a_backward_pass() and len(inputs[0]) > room:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    model.network.register_forward_pre_hook(limited)
    torch.testing.assert_close(score.vjp(x, x, 1.0), wanted, rtol=1e-4, atol=1e-5)
    assert score.count == 18  # as where memory is enough
    given.clear()
    score.vjp(x, x, 1.0)
    assert max(given) <= room  # known
    room = 0
    with pytest.raises(ScoreError, match=r"out of memory.*score\.chunk at 1"):
        score.vjp(x, x, 1.0)


@pytest.mark.parametrize("chunk", [8, None])
def test_memory_that_runs_out_where_the_graph_is_held(
    model: AbstractLatentModel, chunk: int | None
) -> None:
    score, x = model.score("cat", size=16, chunk=chunk), noise(6, *model.latent_shape(16))
    score.score(x, 1.0)  # an evaluation's memory is known
    wanted, given = score.vjp(x, x, 1.0), list[int]()

    def limited(_: Any, inputs: tuple[torch.Tensor, ...], output: Any) -> None:
        given.append(len(inputs[0]))

        def hook(gradient: torch.Tensor) -> None:
            if len(gradient) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory.")

        output.sample.register_hook(hook)

    model.network.register_forward_hook(limited)
    torch.testing.assert_close(score.vjp(x, x, 1.0), wanted, rtol=1e-4, atol=1e-5)
    assert given[0] == 6 and given[-1] == 2


def _slopes(name: str, field: ScoreField, path: torch.Tensor) -> torch.Tensor:
    """Derivatives of a path's energy as each of their callers takes them."""
    rule, step, points = Quadrature("midpoint"), Quadrature("trapezoid"), path.shape[1]
    if name == "autograd":
        return autograd_gradient(SteinMetric(field, 1.0), path, rule)
    if name == "pullback":
        return PullbackMetric(field).gradient(path, step)
    if name == "adam":
        return Adam(num_points=points, iterations=3).solve(SteinMetric(field, 1.0), path).path
    if name == "lbfgs":
        return LBFGS(num_points=points, max_iterations=2).solve(PullbackMetric(field), path).path
    if name == "exact gradient":
        jacobian = ScoreJacobian(field, step, path)
        return jacobian.learn(0, jacobian.evaluate(path)).gradient(torch.ones(1).double())
    metric = SteinMetric(field, 1.0) if name == "stein" else ConformalMetric(field, 1.0)
    return metric.linearise(path[:, :-1], path.diff(dim=1))[0]


@pytest.mark.parametrize(
    "name", ["autograd", "pullback", "stein", "conformal", "adam", "lbfgs", "exact gradient"]
)
def test_memory_that_runs_out_in_a_gradient_halves_the_batch(
    model: AbstractLatentModel, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    field = ScoreField(model.score("cat", size=16, chunk=8), 1.0)
    ends = noise(2, *model.latent_shape(16)).double()
    path = scoregeo.linear(ends[None], 6)
    wanted, given = _slopes(name, field, path), list[int]()

    def limited(_: Any, inputs: tuple[torch.Tensor, ...], output: Any) -> None:
        def hook(gradient: torch.Tensor) -> None:
            given.append(len(gradient))
            if len(gradient) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory.")

        if output.sample.requires_grad:
            output.sample.register_hook(hook)

    model.network.register_forward_hook(limited)
    found = _slopes(name, field, path)
    assert max(given) > 2 and given[-1] <= 2 and "ran out of memory" in caplog.text
    # float32 networks in other batches
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5 * float(wanted.abs().max()))


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_a_score_without_a_batch_is_the_score(model: AbstractLatentModel, guidance: float) -> None:
    exact = model.score("cat", "", guidance, 16)
    free = model.score("cat", "", guidance, 16, chunk=None)
    x = noise(5, *exact.shape)
    torch.testing.assert_close(free.score(x, 1.0), exact.score(x, 1.0), rtol=1e-4, atol=1e-5)
    products = (one.vjp(x, x, 1.0)[1] for one in (free, exact))
    torch.testing.assert_close(*products, rtol=1e-4, atol=1e-5)
    images = model.codec.decode(noise(3, *exact.shape))
    unlimited = type(model.codec)(model.codec.vae, chunk=None)  # type: ignore[attr-defined,call-arg]
    torch.testing.assert_close(unlimited.decode(noise(3, *exact.shape)), images)


# Offloading


@pytest.fixture
def moves(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """Calls of `Module.to` with a device: an accelerator that is the processor by another name."""
    found: list[tuple[str, str]] = []
    real = torch.nn.Module.to

    def to(self: torch.nn.Module, *args: Any, **kwargs: Any) -> torch.nn.Module:
        if args and isinstance(args[0], (str, torch.device)):
            found.append((type(self).__name__, str(args[0])))
            return real(self, "cpu")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(torch.nn.Module, "to", to)
    yield found


def test_encoders_are_on_the_device_only_while_they_are_used(
    model: AbstractLatentModel, moves: list[tuple[str, str]]
) -> None:
    picture = 0.5 * torch.tanh(noise(1, 3, 16, 16))
    wanted = model.codec.encode(picture), model.prompts.encode("cat").clone()
    model.to("cpu:0", offloaded=True)
    assert moves[0] == ("UNet2DConditionModel", "cpu:0")
    assert {place for _, place in moves[1:]} == {"cpu"} and len(moves) == 4
    assert model.device == CPU
    moves.clear()
    torch.testing.assert_close(model.codec.encode(picture), wanted[0], rtol=0, atol=0)
    assert moves == [("AutoencoderKL", "cpu:0"), ("AutoencoderKL", "cpu")]
    moves.clear()
    model.prompts.encode("cat")
    model.prompts.encode("cat")  # known: nothing moves
    both = ("CLIPTextModel", "CLIPTextModelWithProjection")
    assert sorted(moves) == sorted((name, where) for name in both for where in ("cpu", "cpu:0"))
    torch.testing.assert_close(model.prompts.encode("cat"), wanted[1], rtol=0, atol=0)
    moves.clear()
    model.to("cpu:0")
    model.codec.encode(picture)
    assert [name for name, _ in moves].count("AutoencoderKL") == 1  # there to stay


def test_a_network_goes_back_where_its_use_fails(
    model: AbstractLatentModel, moves: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("shapes do not fit")

    model.to("cpu:0", offloaded=True)
    monkeypatch.setattr(model.codec.networks[0], "decode", broken)
    moves.clear()
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        model.codec.decode(noise(1, *model.latent_shape(16)))
    assert moves == [("AutoencoderKL", "cpu:0"), ("AutoencoderKL", "cpu")]


def test_a_pipeline_that_diffusers_offloads() -> None:
    """`enable_model_cpu_offload` of diffusers, by accelerate's hooks, before `from_pipe`."""
    pytest.importorskip("accelerate")
    pipe = copy.deepcopy(tiny_pipeline("sdxl"))
    exact = from_pipe(tiny_pipeline("sdxl"))
    pipe.enable_model_cpu_offload(device="cpu")
    model = from_pipe(pipe)
    picture, x = 0.5 * torch.tanh(noise(1, 3, 16, 16)), noise(2, *exact.latent_shape(16))
    for call in (
        lambda one: one.codec.encode(picture),
        lambda one: one.score("cat", "", 3.0, 16).score(x, 1.0),
    ):
        torch.testing.assert_close(call(model), call(exact), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["sdxl", "sd3"])
def test_a_copied_autoencoder_sends_back_the_network_that_diffusers_offloads(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A float16 pipeline's autoencoder is copied to float32; no other network is."""
    hooks = pytest.importorskip("accelerate.hooks")
    pipe = copy.deepcopy(tiny_pipeline(name)).to(torch.float16)
    picture = 0.5 * torch.tanh(noise(1, 3, 16, 16))
    wanted = from_pipe(pipe).codec.encode(picture)
    pipe.enable_model_cpu_offload(device="cpu")
    model = from_pipe(pipe)
    own, theirs = (vae._hf_hook for vae in (model.codec.networks[0], pipe.vae))
    assert own is not theirs and own.prev_module_hook is theirs.prev_module_hook
    assert own.prev_module_hook.model is model.network
    sent: list[torch.nn.Module] = []
    monkeypatch.setattr(hooks.UserCpuOffloadHook, "offload", lambda self: sent.append(self.model))
    torch.nn.Module.to(model.network, "meta")  # elsewhere than in the processor's memory
    torch.testing.assert_close(model.codec.encode(picture), wanted, rtol=0, atol=0)
    assert sent and all(network is model.network for network in sent)


# Compiling, attention


def test_a_compiled_network_gives_the_score_and_its_derivatives() -> None:
    exact, score = mixture(), mixture()
    calls = []

    def backend(graph: Any, _: Any) -> Any:
        calls.append(graph)
        return graph.forward

    score.network.compile(backend=backend)  # as `tune` does it
    x = noise(2, *exact.shape).double()
    torch.testing.assert_close(score.score(x, 1.0), exact.score(x, 1.0))
    assert calls
    count = len(calls)
    for product in ("jvp", "vjp"):
        found, wanted = (getattr(one, product)(x, x, 1.0)[1] for one in (score, exact))
        torch.testing.assert_close(found, wanted)
    assert len(calls) == count  # of the network as it is written


def test_derivatives_are_taken_without_the_attention_backend() -> None:
    pipe = copy.deepcopy(tiny_pipeline("flux"))
    score = from_pipe(pipe).score("cat", size=16)
    x = noise(2, *score.shape)
    wanted = [getattr(score, product)(x, x, 1.0) for product in ("jvp", "vjp")]
    tune(pipe.transformer, False, "_native_flash")

    def named() -> list[Any]:
        return [one._attention_backend for one in pipe.transformer.attn_processors.values()]

    backends = named()
    assert set(backends) == {"_native_flash"}
    for product, expected in zip(("jvp", "vjp"), wanted, strict=True):
        found = getattr(score, product)(x, x, 1.0)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
        assert named() == backends  # for values, as it was set
    hook = pipe.transformer.register_forward_pre_hook(_fails)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        score.jvp(x, x, 1.0)
    hook.remove()
    assert named() == backends
    tune(pipe.transformer, False, "native")  # diffusers' default for other networks as well


def _fails(*_: Any) -> None:
    raise RuntimeError("shapes do not fit")


def test_settings_of_compiling_and_attention() -> None:
    flux, unet = (copy.deepcopy(tiny_pipeline(name)) for name in ("flux", "sdxl"))
    score = from_pipe(flux).score("cat", size=16)
    x = noise(2, *score.shape)
    wanted = score.score(x, 1.0)
    tune(flux.transformer, False, "_native_math")
    torch.testing.assert_close(score.score(x, 1.0), wanted, rtol=1e-4, atol=1e-5)
    tune(unet.unet, True, None)
    assert unet.unet._compiled_call_impl is not None
    for compiled, attention, words in (
        ("gcc", None, r"score\.compile = 'gcc'.*'inductor'"),
        (3, None, r"score\.compile = 3"),
        (False, "fast", r"score\.attention = 'fast'.*native"),
        (False, "native", r"score\.attention = 'native'.*UNet2DConditionModel.*must be null"),
    ):
        with pytest.raises(ConfigError, match=words):
            tune(unet.unet, compiled, attention)  # type: ignore[arg-type]
