"""The check without a server: `python3 -m unittest`."""

import unittest

from check import Page, judged
from farwatch.http import Response


class PageTest(unittest.TestCase):
    def test_a_page_is_up_when_it_is_there_and_says_what_it_should(self):
        for config, status, code in [
            ({}, 200, "ok"),
            ({"contains": "open"}, 200, "ok"),
            ({"contains": "closed"}, 200, "text-missing"),
            ({}, 503, "status-unexpected"),
        ]:
            outcome = judged(config, Response(status, b"we are open"))
            self.assertEqual((outcome.code, outcome.status), (code, "up" if code == "ok" else "down"))

    def test_what_is_wrong_with_a_config_is_told_with_its_place(self):
        for config, wrong in [
            ('{"url": "https://example.com"}', []),
            ("{", [("config-not-json", None)]),
            ('{"contains": 7}', [("config-missing-field", "/url"), ("config-wrong-type", "/contains")]),
            ('{"url": "gopher"}', [("url-bad", "/url")]),
        ]:
            self.assertEqual([(problem.code, problem.field) for problem in Page().problems(config)], wrong)


if __name__ == "__main__":
    unittest.main()
