"""`vox chat backup`, `restore`, `move-database` and `import`: a community's data as a whole, from a shell."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vox.cli.progress_line import ProgressLine

if TYPE_CHECKING:
    from vox.chat.config.settings import ChatSettings

ACTIONS: Final = frozenset({"backup", "restore", "move-database", "import", "emoji", "claim"})
MAX_PEOPLE: Final = 100_000


def add_actions(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the actions to those of `vox chat`."""
    backup = actions.add_parser("backup", help="write database, files and keys into one file while the server runs")
    backup.add_argument("file", type=Path, help="target file, which must not exist yet")
    restore = actions.add_parser("restore", help="restore a backup into an empty database; the server must not run")
    restore.add_argument("file", type=Path, help="a file that `vox chat backup` wrote")
    move = actions.add_parser(
        "move-database", help="copy a community between SQLite and PostgreSQL; the server must be stopped"
    )
    move.add_argument("source", metavar="FROM", help="URL of the database that has the community")
    move.add_argument("target", metavar="TO", help="URL of an empty database, or of a SQLite file that does not exist")
    bring = actions.add_parser("import", help="import an export of Discord or Slack; the server may run")
    bring.add_argument("origin", choices=("discord", "slack"), help="the program that the export is of")
    bring.add_argument("archive", type=Path, help="ZIP archive or folder; for Discord one JSON file, too")
    bring.add_argument("--hidden", action="store_true", help="let only administrators see the new feeds")
    bring.add_argument("--skip-damaged", action="store_true", help="import the rest where a part is damaged")
    bring.add_argument(
        "--max-people", type=int, default=MAX_PEOPLE, help="stop where more people wrote (default %(default)s)"
    )
    bring.add_argument("--report", type=Path, help="where each skipped thing is written (default ARCHIVE.skipped.txt)")
    claim = actions.add_parser("claim", help="give what an imported person said to their account; the server may run")
    claim.add_argument("placeholder", help="user name of the imported person")
    claim.add_argument("account", help="user name of their account")
    emoji = actions.add_parser("emoji", help="write emoji and stickers into a pack, or add those of a pack")
    emoji.add_argument("verb", choices=("export", "import"), help="which way")
    emoji.add_argument("file", type=Path, help="ZIP archive of the pack")


def run_action(action: str, settings: "ChatSettings", args: argparse.Namespace) -> int:
    """Does what the action says, and returns the exit code."""
    line = ProgressLine()
    try:
        match action:
            case "backup":
                return _backup(settings, args.file, line)
            case "restore":
                return _restore(settings, args.file, line)
            case "import":
                return _import(settings, args, line)
            case "claim":
                return _claim(settings, args.placeholder, args.account, line)
            case "emoji":
                return _emoji(settings, args.verb, args.file)
            case _:
                return _move(args.source, args.target, line)
    finally:
        line.end()


def _claim(settings: "ChatSettings", placeholder: str, account: str, line: ProgressLine) -> int:
    from vox.chat.imports.command import run_claim

    moved = run_claim(settings, placeholder, account, line.show)
    line.end()
    print(f"{account} has {moved:,} messages of {placeholder} now.")
    return 0


def _emoji(settings: "ChatSettings", verb: str, file: Path) -> int:
    from vox.chat.imports.command import run_export_of_emoji, run_import_of_emoji

    if verb == "export":
        count, skipped = run_export_of_emoji(settings, file)
        print(f"Wrote {count:,} emoji and stickers to {file}.")
    else:
        report = run_import_of_emoji(settings, file)
        skipped = report.skipped
        print(f"Added {report.added:,} emoji and stickers.")
    for one in skipped:
        print(f"Skipped {one.what} {one.name}: {one.reason}", file=sys.stderr)
    return 0


def _backup(settings: "ChatSettings", file: Path, line: ProgressLine) -> int:
    from vox.chat.backups.taking import take_backup
    from vox.chat.storage.limits import open_storage
    from vox.runtime.clock import SystemClock

    storage = open_storage(settings)
    now_s = SystemClock().unix_ms() // 1000
    taken = asyncio.run(take_backup(settings, storage, file, now_s, line.show))
    line.end()
    print(f"Wrote {file}: {taken.size:,} bytes with {taken.files:,} files{' and the key' if taken.has_key else ''}.")
    if taken.missing_count:
        named = ", ".join(taken.missing[:10])
        print(
            f"The storage lacks {taken.missing_count:,} files that the database names, such as {named}.",
            file=sys.stderr,
        )
    return 0


def _restore(settings: "ChatSettings", file: Path, line: ProgressLine) -> int:
    from vox.chat.backups.restoring import restore_backup
    from vox.chat.storage.limits import open_storage

    end = asyncio.run(restore_backup(settings, open_storage(settings), file, line.show))
    line.end()
    print(f"Restored the database and {end.files:,} files. The server may start.")
    return 0


def _move(source: str, target: str, line: ProgressLine) -> int:
    from vox.chat.database.transfer.move import move_database

    moved = move_database(source, target, line.show)
    line.end()
    for table in moved:
        if table.rows:
            print(f"{table.name:<24} {table.rows:>12,} rows  {table.digest}")
    print(
        "The same rows are in both databases. Set VOX_DATABASE_URL to the new one before the server starts;\n"
        "files stay where they are. A key file beside a SQLite database is not moved: name it by VOX_SECRETS_KEY_FILE."
    )
    return 0


def _import(settings: "ChatSettings", args: argparse.Namespace, line: ProgressLine) -> int:
    from vox.chat.imports.command import import_archive
    from vox.chat.imports.importing import ImportOptions

    archive: Path = args.archive
    report_file: Path = args.report or archive.with_name(f"{archive.name}.skipped.txt")
    options = ImportOptions(is_hidden=args.hidden, skips_damaged=args.skip_damaged, most_people=args.max_people)
    report = import_archive(settings, args.origin, archive, report_file, options, line.show)
    line.end()
    print(
        f"Imported {report.messages:,} messages into {report.feeds:,} feeds and threads, with {report.files:,} files,"
        f" of {report.people:,} people; {report.known:,} messages were there already."
    )
    for (what, reason), count in report.skipped.most_common():
        names = ", ".join(report.examples[what, reason])
        print(
            f"Skipped {count:,} of the kind {what}: {reason} ({names}{', …' if count > len(report.examples[what, reason]) else ''})"
        )
    if report.skipped:
        print(f"{report_file} names each of them.")
    return 0
