from spaces.workload_notes import workload_notes


class Documented:
    """Tells stripes apart.

    Images are scaled to [0, 1].
    """

    def score(self, outputs, targets):
        return outputs[0].argmax(1) == targets


def test_notes_are_the_persons_own_words():
    assert workload_notes(Documented()) == {
        "documentation": "Tells stripes apart.\n\nImages are scaled to [0, 1].",
        "score": "def score(self, outputs, targets):\n    return outputs[0].argmax(1) == targets\n",
    }


def test_what_a_class_inherits_is_not_its_own_words():
    class Undocumented(Documented):
        pass

    assert workload_notes(Undocumented())["documentation"] == ""
    assert workload_notes(Undocumented())["score"].startswith("def score")


def test_what_has_no_source_has_no_score():
    made = type("Made", (), {"score": sum})
    assert workload_notes(made()) == {"documentation": "", "score": ""}
