"""What a container engine does, by hand, where there is none: a Dockerfile's steps, and a PID 1 on a read-only root.

The base image's part is played by this machine's own root with the Python that runs the tests. Needs root and overlayfs.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.dockerfiles import ROOT, Stage, context, stages

BUILD_S = 600
BASE_PATH = f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
WRITABLE = "; ".join(
    ["mount -t proc proc {m}/proc", "mount --rbind /dev {m}/dev"]
    + [f"mount -t tmpfs -o mode=1777,size=64m tmpfs {{m}}{place}" for place in ("/dev/shm", "/tmp")]  # noqa: S108 - of its own
)


def unavailable() -> str:
    """Why this cannot play the engine here; empty when it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs Linux and root, to mount"
    layers = "lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w"
    trial = f"mount -t tmpfs t /mnt && mkdir /mnt/u /mnt/w /mnt/m && mount -t overlay o -o {layers} /mnt/m"
    command = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", trial]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"this machine mounts no overlay in a namespace: {done.stderr.strip()}"


class Image:
    """The last stage of our Dockerfile, built in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._context = folder, folder / "context"
        for name in context():
            place = self._context / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place)
        for stage in stages():
            self._build(stage)
        self.stage = stages()[-1]
        self.upper = self._upper(self.stage)

    def _upper(self, stage: Stage) -> Path:
        return self._folder / (stage.name or "last")

    def _work(self, stage: Stage) -> Path:
        return self._folder / f"{stage.name}.work"

    def _build(self, stage: Stage) -> None:
        """Run the steps of a stage on an overlay of this machine's root."""
        upper, work, merged = self._upper(stage), self._work(stage), self._folder / "root"
        for place in (upper, work, merged):
            place.mkdir(exist_ok=True)
        # Root's own folder may hold the Python; in a base image everybody may read that.
        script = [
            f"export PATH={BASE_PATH}",
            "chmod a+rx /root",
            *(line for step in stage.steps for line in self._lines(*step)),
        ]
        (self._folder / "steps.sh").write_text("\n".join(["set -eu", *script]))
        mounts = [
            f"mount -t overlay overlay -o lowerdir=/,upperdir={upper},workdir={work} {merged}",
            f"mkdir -p {merged}/mnt/here && mount --bind {self._folder} {merged}/mnt/here",
            WRITABLE.format(m=merged),
            f"exec chroot {merged} sh /mnt/here/steps.sh",
        ]
        command = ["unshare", "--mount", "sh", "-euc", "\n".join(mounts)]
        subprocess.run(command, check=True, timeout=BUILD_S)

    def _lines(self, instruction: str, words: str) -> list[str]:
        """A step as lines of a shell."""
        if instruction == "ENV":
            return [f"export {words}"]
        if instruction == "WORKDIR":
            return [f"mkdir -p {words}", f"cd {words}"]
        if instruction == "RUN":
            return [f"( {words} )"]
        if instruction == "COPY" and words.startswith("--from="):
            stage, source, target = words.removeprefix("--from=").split()
            return [f"cp -a /mnt/here/{stage}{source} {target}"]
        if instruction == "COPY":
            *sources, target = words.split()
            return [f"cp -a /mnt/here/context/{source} {target}" for source in sources]
        return []

    def environment(self) -> dict[str, str]:
        """What ENV leaves to a process."""
        script = "; ".join(["export PATH=" + BASE_PATH, *(f"export {words}" for words in self.stage.all("ENV")), "env"])
        command = ["env", "-i", "sh", "-c", script]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return dict(line.split("=", 1) for line in shown.splitlines() if not line.startswith(("PWD=", "_=", "SHLVL=")))

    def run(self, words: list[str], environ: dict[str, str], log: Path) -> Container:
        """Start a process as PID 1: the image's user, no capabilities, a root that nobody can write to."""
        merged = self._folder / "root"
        mounts = [
            f"mount -t overlay overlay -o lowerdir=/,upperdir={self.upper},workdir={self._work(self.stage)} {merged}",
            f"mount -o remount,ro {merged}",
            WRITABLE.format(m=merged),
            f"cd / && exec chroot {merged} {shlex.join(self.as_user(environ) + words)}",
        ]
        namespaces = ["unshare", "--mount", "--pid", "--fork"]
        with log.open("ab") as stream:
            command = [*namespaces, "sh", "-euc", "\n".join(mounts)]
            return Container(
                self, environ, subprocess.Popen(command, stdout=stream, stderr=stream, stdin=subprocess.DEVNULL)
            )

    def as_user(self, environ: dict[str, str]) -> list[str]:
        """The words that become the image's user with its environment, and nothing more."""
        user, group = self.stage.last("USER").split(":")
        lesser = [
            "setpriv",
            f"--reuid={user}",
            f"--regid={group}",
            "--clear-groups",
            "--no-new-privs",
            "--bounding-set=-all",
        ]
        given = self.environment() | environ
        return [
            *lesser,
            "--inh-caps=-all",
            "env",
            "-i",
            "--chdir=/tmp",
            *(f"{name}={value}" for name, value in given.items()),
        ]


@dataclass
class Container:
    """A process of an image, PID 1 in a namespace of its own."""

    image: Image
    environ: dict[str, str]
    process: subprocess.Popen[bytes]

    def children(self, pid: int | None = None) -> list[int]:
        """The children of a process, by their numbers outside; those of `unshare` without one: PID 1."""
        number = self.process.pid if pid is None else pid
        return [int(word) for word in Path(f"/proc/{number}/task/{number}/children").read_text().split()]

    @property
    def first(self) -> int:
        """PID 1, by its number outside."""
        return self.children()[0]

    def exec(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run something beside it, as a health check does."""
        inside = ["nsenter", f"--target={self.first}", "--mount", "--pid", f"--root=/proc/{self.first}/root", "--wd=/"]
        command = [*inside, *self.image.as_user(self.environ), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    def stop(self, number: int, within_s: float) -> int:
        """Signal PID 1, as an engine does; returns its exit code."""
        os.kill(self.first, number)
        return self.process.wait(within_s)

    def end(self) -> None:
        """Whatever it is about, it ends now, and all that is in its namespace.

        By PID 1: it does not die with `unshare`, for whoever becomes another user loses that tie.
        """
        if self.process.poll() is None:
            for pid in self.children():
                os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
