"""Takes the recording anew, or compares it with a build of Vox.

    python -m tests.e2e.wire_recording --write --vox PATH/TO/vox    writes tests/e2e/recordings
    python -m tests.e2e.wire_recording --vox PATH/TO/vox            compares, and ends with 1 where something differs

PATH/TO/vox is the command of an environment in which that build is installed; `PYTHONPATH` is handed on to it.
"""

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.e2e.wire_recording.comparison import differences
from tests.e2e.wire_recording.recording import FOLDER, Recording, load
from tests.e2e.wire_recording.scenes import SCENES

VOX = Path(sys.executable).parent / "vox"


def main() -> int:
    """Runs the scenes that are named, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.e2e.wire_recording", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=f"of {', '.join(SCENES)}; default: all")
    parser.add_argument("--write", action="store_true", help="write the recordings instead of comparing with them")
    parser.add_argument("--vox", type=Path, default=VOX, help="the command to record; default: this environment's")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the recordings are")
    parser.add_argument("--jobs", type=int, default=2, help="scenes at once")
    args = parser.parse_args()
    unknown = [name for name in args.scenes if name not in SCENES]
    if unknown:
        parser.error(f"unknown scenes: {', '.join(unknown)}")
    vox, count = args.vox.absolute(), 0

    def run(name: str) -> list[Recording]:
        began_s = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            made = SCENES[name](vox, Path(folder))
        print(f"{name}: {time.monotonic() - began_s:.1f} s", file=sys.stderr)  # noqa: T201  a command's progress
        return made

    with ThreadPoolExecutor(args.jobs) as pool:
        for made in pool.map(run, args.scenes or SCENES):
            for recording in made:
                if args.write:
                    recording.save(args.folder)
                    continue
                for one in differences(recording.name, load(recording.name, args.folder), recording.entries):
                    count += 1
                    print(one)  # noqa: T201  the command's output
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
