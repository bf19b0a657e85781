"""One run of the world: faults first, then fair weather until everybody has an answer."""

from tests.simulation.laws import LawBroken, Laws
from tests.simulation.steps import fair_steps, fault_steps, timer_steps
from tests.simulation.world import World

_FAULTY_STEPS = 120
_FAIR_STEPS = 3_000


async def run(world: World, laws: Laws | None = None) -> None:
    """Raises LawBroken, with the steps that led there."""
    try:
        await _run(world, laws or Laws(world))
    finally:
        for process in world.processes.values():
            await process.crash()


async def _run(world: World, laws: Laws) -> None:
    await world.quiesce()
    for _ in range(_FAULTY_STEPS):
        await _step(world, laws, faults=True)
    for _ in range(_FAIR_STEPS):
        if all(client.satisfied for client in world.clients) and not _under_way(world) and not laws.waits():
            break
        await _step(world, laws, faults=False)
    else:
        laws.check_end()
        waiting = [(c.name, c.answers, c.waiting_for) for c in world.clients if not c.satisfied]
        raise LawBroken(f"law 4: without further faults, not answered: {waiting}\n  " + "\n  ".join(world.trace[-80:]))
    laws.check_end()


def _under_way(world: World) -> bool:
    busy = any(process.processor.in_flight() or len(process.processor.stages.deferred) for process in world.processes.values())
    held = any(process.processor.stages.answers.in_flight for process in world.processes.values())
    return bool(world.network.late or world.deliveries or busy or held)


async def _step(world: World, laws: Laws, *, faults: bool) -> None:
    steps = fair_steps(world)
    if faults and world.random.random() < 0.2:
        steps = fault_steps(world) or steps
    if not steps or world.random.random() < 0.05:
        steps = timer_steps(world) or steps
    name, step = world.random.choice(steps)
    world.trace.append(name)
    await step()
    await world.quiesce()
    for process in world.processes.values():
        if process.task.done() and not process.dead:
            process.task.result()
    laws.check()
