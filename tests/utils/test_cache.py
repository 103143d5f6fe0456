"""Names by content: equal for equal content, another for any other."""

import numpy as np
import torch

from scoregeo._utils.cache import content_hash


def test_equal_content_has_one_name_whatever_holds_it() -> None:
    values = np.arange(6.0).reshape(2, 3)
    assert content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
    assert content_hash(values) == content_hash(torch.from_numpy(values))
    assert content_hash("x", digits=8) == content_hash("x")[:8]


def test_other_content_has_another_name() -> None:
    values = torch.arange(6.0)
    names = [
        content_hash(values),
        content_hash(values.double()),
        content_hash(values.view(2, 3)),
        content_hash(values + torch.eye(6)[0] * 1e-7),
        content_hash(values, "more"),
        content_hash("a", "b"),
        content_hash("ab"),
        content_hash(["a", "b"]),
        content_hash(1),
        content_hash("1"),
        content_hash(b"1"),
    ]
    assert len(set(names)) == len(names) - 1  # bytes are taken as they are: b"1" is the number's
