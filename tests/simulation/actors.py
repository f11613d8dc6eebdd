"""What runs in the world: jobs and people, each an actor whose failures are told from the simulation's."""

from __future__ import annotations

from collections.abc import Callable

from tests.simulation import jobs
from tests.simulation.scheduler import Actor, KilledError
from tests.simulation.world import InvariantError, World


def run_actors(world: World) -> None:
    """Run until every actor has ended.

    Raises:
        InvariantError: something was not true that must be.
    """
    world.scheduler.run()
    if world.broken:
        raise InvariantError(world.broken)


def run_alone(world: World, work: Callable[[], object], name: str = "alone") -> None:
    """Run one job while nothing else happens."""
    with jobs.serial():
        add_actor(world, name, world.now, work)
        run_actors(world)


def add_actor(world: World, name: str, at: float, work: Callable[[], object], *, is_person: bool = False) -> Actor:
    """Let a job or a person begin at a time. What no job may raise ends the simulation."""

    def guarded() -> None:
        try:
            work()
        except KilledError:
            world.note("killed")
        except jobs.MAY_RAISE as error:
            world.note(f"failed: {error}")
        except ExceptionGroup as group:
            if group.split(jobs.MAY_RAISE)[1]:
                world.broken = world.broken or f"{name} raised {group!r}"
            world.note(f"failed: {group}")
        except Exception as error:  # noqa: BLE001 - whatever no job may raise ends the simulation
            world.note(f"crashed: {error!r}")
            world.broken = world.broken or f"{name} raised {error!r}"
            world.trace = world.trace or error

    skew = 0.0 if is_person else world.random.uniform(-world.skew, world.skew)
    return world.scheduler.add(Actor(name, guarded, at, skew, is_person=is_person, facts={"begins": at}))
