"""What may happen at a random moment. Each act has its own dice, so that none shifts the next."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from typing import Final

from tests.support.chaos.talks import Talks
from tests.support.chaos.wire import BROKEN, pause
from tests.support.chaos.world import World

IDLE: Final = (0.0, 0.0, 0.2, 0.6, 1.5, 3.0)  # seconds that a killed server stays dead

Act = Callable[[World, Talks, random.Random], None]


def send(world: World, talks: Talks, dice: random.Random) -> None:
    """A few messages at once."""
    for _ in range(dice.randrange(1, 5)):
        way = dice.choice(["queue", "queue", "queue", "steer", "steer", "interrupt"])
        world.office.send(dice.choice(talks.all).id, way)
        world.counts["message"] += 1


def interrupt(world: World, talks: Talks, dice: random.Random) -> None:
    """End a turn, or all."""
    path = f"/conversations/{dice.choice(talks.all).id}/interrupt"
    world.counts["interrupt"] += 1
    if dice.random() < 0.25:
        world.office.ask("POST", "/interrupt", {"hold": False})  # every letter gets its turn
    else:
        world.office.ask("POST", path)


def take_back(world: World, talks: Talks, dice: random.Random) -> None:
    """Ask for a message that may still wait."""
    live = {talk.id for talk in talks.all}
    known = [x for x in world.office.letters[-20:] if x.answer and x.conversation in live]
    if known:
        world.counts["take back"] += 1
        world.office.take_back(dice.choice(known))


def drop_reader(world: World, talks: Talks, dice: random.Random) -> None:
    """Cut some readers off."""
    for _ in range(dice.randrange(1, 4)):
        world.counts["reader dropped"] += 1
        dice.choice(talks.watchers()).cut()


def hold_reader(world: World, talks: Talks, dice: random.Random) -> None:
    """A reader stops reading for a while."""
    world.counts["reader stalled"] += 1
    dice.choice(talks.watchers()).hold(dice.uniform(0.2, 3))


def stall(world: World, talks: Talks, dice: random.Random) -> None:
    """A socket that is never read."""
    world.counts["reader that never reads"] += 1
    talks.stall(dice)


def join(world: World, talks: Talks, dice: random.Random) -> None:
    """A reader comes late, with a snapshot."""
    talk = dice.choice(talks.all)
    with contextlib.suppress(*BROKEN):  # it was frozen for too long
        snapshot = talks.snapshot(talk)
        if snapshot is not None:
            talk.join(snapshot["seq"])
            world.counts["reader joined"] += 1


def kill_server(world: World, talks: Talks, dice: random.Random) -> None:
    """kill -9 of the server, sometimes with core or keeper at the same moment."""
    also = dice.choice(["", "", "", "", "core", "keeper"])
    idle = dice.choice(IDLE)
    world.kill_server(idle)
    if also:
        world.kill(also)
    pause(idle)
    world.start(dice.choice([900, 900, 900, 0.5]))


def kill_core(world: World, talks: Talks, dice: random.Random) -> None:
    """kill -9 of the core."""
    world.kill("core")


def kill_keeper(world: World, talks: Talks, dice: random.Random) -> None:
    """kill -9 of the keeper."""
    world.kill("keeper")


def freeze(world: World, talks: Talks, dice: random.Random) -> None:
    """SIGSTOP for a moment; another one may be killed meanwhile."""
    who, other = dice.sample(["server", "core", "keeper"], 2)
    kills = dice.random() < 0.4
    if not world.freeze(who):
        return
    pause(dice.uniform(0.05, 0.5))
    if kills and other == "server":
        world.kill_server()
    elif kills:
        world.kill(other)
    pause(dice.uniform(0.05, 0.5))
    world.thaw()
    world.tell(f"SIGCONT {who}")
    if world.server is None:
        world.start()


def stop_core(world: World, talks: Talks, dice: random.Random) -> None:
    """SIGSTOP of the core for good."""
    world.stop_core_for_good()


def fill_disk(world: World, talks: Talks, dice: random.Random) -> None:
    """No room for the log, for a while; a server may be killed in it."""
    if not world.disk.small:
        return
    world.note("disk full")
    world.disk.fill()
    send(world, talks, dice)
    pause(dice.uniform(0.2, 1.5))
    if dice.random() < 0.4:
        kill_server(world, talks, dice)
    pause(dice.uniform(0.0, 0.5))
    world.disk.free()
    world.tell("disk free")


def terminate(world: World, talks: Talks, dice: random.Random) -> None:
    """SIGTERM, sometimes with a kill -9 before it has ended."""
    if world.server is not None and dice.random() < 0.4:
        world.server.process.terminate()
        world.note("SIGTERM")
        pause(dice.uniform(0.0, 0.6))
        world.kill_server()
    else:
        world.stop()
    world.start()


ACTS: Final[list[tuple[int, Act]]] = [
    (36, send), (4, interrupt), (3, take_back), (6, drop_reader), (4, hold_reader), (3, stall),
    (4, join), (16, kill_server), (8, kill_core), (7, kill_keeper), (7, freeze), (2, stop_core),
    (3, fill_disk), (3, terminate),
]  # fmt: skip


def choose(dice: random.Random) -> Act:
    """One act, by its weight."""
    return dice.choices([act for _, act in ACTS], [weight for weight, _ in ACTS])[0]
