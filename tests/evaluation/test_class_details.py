import torch

from sslkit.evaluation import calibration_error, confusion_matrix
from sslkit.evaluation.class_details import MOST_CLASSES, class_details


def test_details_are_those_of_the_predictions():
    labels = torch.tensor([0, 0, 0, 1, 1, 3])
    chances = torch.full((6, 4), 0.1)
    taken = torch.tensor([0, 0, 1, 1, 1, 0])
    chances[range(6), taken] = 0.7
    found = class_details(taken, chances, labels)
    assert torch.equal(found.confusion, confusion_matrix(taken, labels, num_classes=4))
    assert found.calibration == calibration_error(chances, labels)
    plain = found.to_dict()
    assert plain["per_class"] == [2 / 3, 1.0, None, 0.0]
    assert plain["confusion"][0] == [2, 1, 0, 0]


def test_of_very_many_classes_there_is_no_matrix():
    count = MOST_CLASSES + 1
    chances = torch.eye(count)
    found = class_details(torch.arange(count), chances, torch.arange(count))
    assert found.to_dict()["confusion"] is None
    assert found.to_dict()["per_class"] == [1.0] * count
