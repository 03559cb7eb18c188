from runs import cnn

from sslkit.interchange import RunFacts, model_card, open_target

REPORT = {
    "data": {"data": "birds", "at most train images": None},
    "split": "test",
    "n_train": 1000,
    "n_test": 200,
    "num_classes": 3,
    "protocol": {"linear": "as told"},
}


def card(rows):
    facts = RunFacts(evaluation=REPORT | {"rows": rows})
    return model_card(cnn(), open_target("timm"), "encoder.safetensors", facts, 1e-6)


def test_the_table_has_the_plain_figures_of_every_row():
    rows = [
        {"encoder": "pretrained", "knn_20": 0.5, "knn": 0.6, "linear": 0.7, "linear_c": 0.1},
        {"encoder": "raw pixels", "knn_20": 0.2, "sweep": 0.3},
    ]
    text = card(rows)
    assert "| encoder | kNN (20) | linear |" in text
    assert "| pretrained | 50.0 % | 70.0 % |" in text
    assert "| raw pixels | 20.0 % | – |" in text


def test_linear_heads_stand_in_where_there_is_no_regression():
    text = card([{"encoder": "pretrained", "knn_20": 0.5, "sweep": 0.7, "sweep_best_epoch": 0.8}])
    assert (
        "| encoder | kNN (20) | linear heads |" in text
        and "| pretrained | 50.0 % | 70.0 % |" in text
    )
