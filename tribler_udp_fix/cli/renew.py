"""Makes the side-car anew after an update of Tribler, and starts it: ``renew FILE [argument ...]``.

The side-car itself calls this, when it is started: ``tribler_udp_fix._startup._sidecar``. FILE is
where to say why it could not be done. The exit status is 0 when Tribler has been started.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Sequence

from tribler_udp_fix.cli import frozen, record, sidecar
from tribler_udp_fix.cli.files import InUse
from tribler_udp_fix.cli.places import NoUserData, places

DONE, NOT_DONE = 0, 1


def main(words: Sequence[str]) -> int:
    """Do it; returns the exit status."""
    told, *arguments = words
    try:
        where = places()
        old = record.read(where)
        made = sidecar.make(frozen.find(Path(old.installation) if old else None), where)
        subprocess.Popen(
            [*made.command, *arguments],
            cwd=where.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except (frozen.NoInstallation, NoUserData, sidecar.NotStarted, InUse) as exc:
        why = str(exc)
    except OSError as exc:
        why = f"{exc.filename or 'a file'}: {exc.strerror}"
    except Exception as exc:  # the user is told, and Tribler started all the same
        why = f"{type(exc).__name__}: {exc}"
    else:
        return DONE
    Path(told).write_text(why, encoding="utf-8")
    return NOT_DONE


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)
    sys.exit(main(sys.argv[1:]))
