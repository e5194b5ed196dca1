# SPDX-License-Identifier: GPL-2.0
"""JSON that is written piece by piece reads as if it had been whole."""

import json
import unittest

from renoscope_lib.output.json_pieces import json_pieces


class Pieces(unittest.TestCase):
    def test_as_json_dumps_would(self) -> None:
        rows = [{"a": [1, {"b": "two\nlines"}], "c": {}}, {}, None, "x"]
        for whole, in_pieces in (
                ({}, {}),
                ({"n": 1, "list": [1, [2]], "none": None},) * 2,
                ({"rows": rows, "after": {"x": []}},
                 {"rows": iter(rows), "after": {"x": []}}),
                ({"rows": []}, {"rows": iter(())})):
            with self.subTest(whole):
                self.assertEqual("".join(json_pieces(in_pieces)),
                                 json.dumps(whole, indent=1))


if __name__ == "__main__":
    unittest.main()
