import pytest

from spaces.foreign_words import is_range_word, remedy_for_foreign_word


@pytest.mark.parametrize(
    ("word", "remedy"),
    [
        ("low", "Write min instead of low."),
        ("high", "Write max instead of high."),
        ("q", "Write step instead of q."),
        ("choices", "Write the list itself: [a, b]."),
        ("values", "Write the list itself: [a, b]."),
        ("n_trials", "Write budget: {trials: 30}."),
        ("seed", "Give it to the command: run --seed 1."),
        ("sparsity", None),
    ],
)
def test_another_tools_word_names_ours(word, remedy):
    assert remedy_for_foreign_word(word) == remedy


def test_a_range_has_no_use_for_the_words_of_sections():
    assert remedy_for_foreign_word("n_trials", range_only=True) is None
    assert remedy_for_foreign_word("low", range_only=True) == "Write min instead of low."


def test_range_words_are_told_from_names_of_layers():
    assert is_range_word("low")
    assert not is_range_word("stem")
    assert not is_range_word("n_trials")
