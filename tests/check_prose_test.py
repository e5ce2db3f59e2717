"""tools/check_prose.py finds wrong numbers and says what the tables say; run by ctest."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parent.parent / "tools" / "check_prose.py"
TABLE = "kind,rate,loss\nflips,1 %,0.4782\nflips,5 %,3.5648\nstuck,5 %,-1.5\n"


def check(prose):
    with tempfile.TemporaryDirectory() as folder:
        page = pathlib.Path(folder) / "page.md"
        page.with_suffix("").mkdir()
        (page.with_suffix("") / "t.csv").write_text(TABLE, encoding="utf-8")
        page.write_text(prose, encoding="utf-8")
        done = subprocess.run([sys.executable, TOOL, page], capture_output=True, text=True)
        return done.returncode, done.stdout


class CheckProse(unittest.TestCase):
    def test_takes_what_the_table_says_in_the_digits_that_stand_there(self):
        for text in ("3.6", "3.56", "4", "3.565"):
            prose = f'loses {text}<!--= one("t.csv", "loss", kind="flips", rate="5 %") --> points'
            self.assertEqual(check(prose)[0], 0, text)

    def test_names_place_and_value_of_a_wrong_number(self):
        code, said = check('a\nloses 3.5<!--= one("t.csv", "loss", kind="flips", rate="5*") -->')
        self.assertEqual(code, 1)
        self.assertIn("page.md:2", said)
        self.assertIn("3.565", said)

    def test_reads_signs_and_thousands(self):
        self.assertEqual(check('−1.5<!--= one("t.csv", "loss", kind="stuck") -->')[0], 0)
        self.assertEqual(check('1,290<!--= 1290 -->')[0], 0)
        self.assertEqual(check('1.5<!--= one("t.csv", "loss", kind="stuck") -->')[0], 1)

    def test_asks_questions(self):
        self.assertEqual(check('all<!--? max(col("t.csv", "loss")) < 4 -->')[0], 0)
        self.assertEqual(check('all<!--? min(col("t.csv", "loss")) > 0 -->')[0], 1)

    def test_reads_the_pages_own_tables(self):
        own = "\n\n| arm | mean |\n| --- | ---: |\n| **sgd** | **90.1 (85.2)** |\n| | -1,200 |\n\n| b |\n| --- |\n| 7 |\n"
        for prose in ('90.1<!--= cell(1, 1, 2) -->', '90.1<!--= cell(1, "sgd", "mean") -->', '85<!--= cell(1, 1, "mean", which=2) -->',
                      '-1200<!--= cell(1, 2, 2) -->', '7<!--= cell(2, 1, "b") -->'):
            self.assertEqual(check(prose + own), (0, "1 numbers and sentences are as the tables say\n"), prose)
        for prose in ('90.2<!--= cell(1, 1, 2) -->', '7<!--= cell(3, 1, 1) -->', '7<!--= cell(2, 1, "c") -->', '7<!--= cell(1, "saq", 2) -->'):
            self.assertEqual(check(prose + own)[0], 1, prose)

    def test_a_marker_that_cannot_be_computed_is_wrong(self):
        for marker in ('one("none.csv", "loss")', 'one("t.csv", "gain")', 'one("t.csv", "loss")', "("):
            self.assertEqual(check(f"1<!--= {marker} -->")[0], 1, marker)

    def test_a_marker_without_number_is_wrong(self):
        self.assertEqual(check("none<!--= 1 -->")[0], 1)


if __name__ == "__main__":
    unittest.main()
