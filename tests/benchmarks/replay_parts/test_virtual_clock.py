from benchmarks.replay_parts.virtual_clock import VirtualClock


class Search:
    """CPU seconds that only the test moves."""

    cpu_s = 100.0

    def __call__(self):
        return self.cpu_s


def test_time_is_what_was_spent_and_what_the_search_took():
    search = Search()
    clock = VirtualClock(search)
    clock.spend("distill", 60.0)
    search.cpu_s += 0.5
    clock.spend("distill", 30.0)
    clock.spend("export", 2.0)
    assert clock.now_s() == 92.5
    assert clock.by_stage_s() == {"distill": 90.0, "export": 2.0, "search": 0.5}
