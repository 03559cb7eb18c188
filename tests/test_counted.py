from sslkit.counted import counted


def test_one_is_not_many() -> None:
    assert [counted(n, "thread") for n in (0, 1, 2)] == ["0 threads", "1 thread", "2 threads"]
    assert [counted(n, "minute") for n in (1.0, 0.5)] == ["1 minute", "0.5 minutes"]
    assert [counted(n, "batch") for n in (1, 12000)] == ["1 batch", "12,000 batches"]
    assert [counted(2, what) for what in ("epoch", "process")] == ["2 epochs", "2 processes"]
