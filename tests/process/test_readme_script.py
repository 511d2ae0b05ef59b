"""The script of the README, as it stands: it and the server are killed, and no event is lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from codex_http_server.testing.answers import Gate, Text
from tests.support.commands import until
from tests.support.pages import README, blocks
from tests.support.server import Server, Site, start


@contextmanager
def script(server: Server, folder: Path, conversation: str) -> Iterator[subprocess.Popen[str]]:
    """The script while the block runs; then it is killed."""
    (code,) = (block for block in blocks(README, "python") if "last-seq" in block)
    code = code.replace("127.0.0.1:3032", server.url.removeprefix("http://"))
    with (folder / "seen").open("a") as seen:
        command = [sys.executable, "-u", "-c", code, conversation]
        process = subprocess.Popen(command, cwd=folder, stdout=seen, text=True)
        try:
            yield process
        finally:
            process.kill()
            process.wait(5)


def test_the_script_misses_nothing_over_its_own_death_and_the_servers(
    site: Site, tmp_path: Path
) -> None:
    gate = Gate()
    site.provider.expect(Text(["Half ", gate, "and whole."]))

    def marked(seq: int) -> bool:
        mark = tmp_path / "last-seq"
        return mark.exists() and mark.read_text() == str(seq)

    with start(site) as server:
        here = server.conversation()
        with server.read(here) as reader, script(server, tmp_path, here):
            server.send(here)
            delta = reader.wait_type("item/agentMessage/delta")
            until(lambda: marked(delta["seq"]), "the script has seen the first delta")
        server.kill()
    port = server.url.rpartition(":")[2]
    with start(site, "--port", port) as server, server.read(here) as reader:
        gate.open()
        reader.wait_type("turn/completed")
        with script(server, tmp_path, here):
            head = server.get(f"/conversations/{here}/events")["head"]
            until(lambda: marked(head), "the script has seen the end")
        lines = (tmp_path / "seen").read_text().splitlines()
        seqs = [int(line.split()[0]) for line in lines if line[0].isdigit()]
        known = {event["seq"] for event in server.events(here)}
    assert seqs == sorted(set(seqs)), "nothing twice, and in order"
    assert known <= set(seqs), "nothing missed"
