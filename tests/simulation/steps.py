"""What may happen next in the world; the scheduler picks one."""

from collections.abc import Awaitable, Callable
from functools import partial

from tests.simulation.network import Request
from tests.simulation.world import Client, Delivery, Process, World

Step = tuple[str, Callable[[], Awaitable[None]]]


def fair_steps(world: World) -> list[Step]:
    """Steps that are no faults; from any state they lead every client to its final answer."""
    network, deliver = world.network, world.network.deliver
    reachable = [request for request in network.waiting if request.process not in world.dark]
    steps: list[Step] = [(f"{r.process}: {r.name}{_short(r)}", partial(deliver, r)) for r in reachable]
    steps += [(f"late {r.process}: {r.name}{_short(r)}", partial(network.arrive, r)) for r in network.late]
    steps += [(f"{d.process}: egress takes {len(d.records)}", partial(_put_out, world, d)) for d in world.deliveries]
    for client in world.clients:
        steps += [
            (f"{client.name} sends to {name}", partial(_send, world, client, world.processes[name]))
            for name in client.processes
            if client.waiting_for is None and client.open_places()
        ]
    in_office = {process.owners[-1] for process in world.processes.values() if process.owners}
    for owner in world.store.living():
        if owner not in in_office:
            steps.append((f"the lease of {owner}, which is gone, runs out", partial(_run_out, world, owner)))
    for name in sorted(world.dark):
        steps.append((f"{name}: the store is back", partial(_light, world, name)))
    return steps


def timer_steps(world: World) -> list[Step]:
    """The clock of a process moves on to its next timer."""
    return [
        (f"{process.name}: {due_ms} ms pass", partial(_advance, process, due_ms))
        for process in world.processes.values()
        if (due_ms := process.clock.next_due_ms()) is not None
    ]


def fault_steps(world: World) -> list[Step]:
    """Faults that the run's budget still allows."""
    faults, steps = world.faults, list[Step]()
    for request in world.network.waiting:
        name = f"{request.process}: {request.name}{_short(request)}"
        if faults.lose_answer:
            steps.append((f"{name}, ANSWER LOST", partial(_spend, world, "lose_answer", partial(_lose_answer, world, request))))
        if faults.lose_request:
            steps.append((f"{name}, LOST", partial(_spend, world, "lose_request", partial(_lose, world, request, late=False))))
        if faults.arrive_late:
            steps.append((f"{name}, LATE", partial(_spend, world, "arrive_late", partial(_lose, world, request, late=True))))
    for process in world.processes.values():
        if faults.crash:
            steps.append((f"{process.name} CRASHES", partial(_spend, world, "crash", partial(_crash, world, process))))
        if faults.expire and process.owners:
            steps.append((f"{process.name} LEASE ENDS", partial(_spend, world, "expire", partial(_expire, world, process))))
        if faults.outage and process.name not in world.dark:
            steps.append((f"{process.name} STORE AWAY", partial(_spend, world, "outage", partial(_darken, world, process))))
    if faults.clock_back:
        steps.append(("CLOCK STEPS BACK", partial(_spend, world, "clock_back", partial(_clock_back, world))))
    return steps


async def _spend(world: World, kind: str, step: Callable[[], Awaitable[None]]) -> None:
    setattr(world.faults, kind, getattr(world.faults, kind) - 1)
    await step()


async def _put_out(world: World, delivery: Delivery) -> None:
    world.deliveries.remove(delivery)
    world.put_out(delivery)


async def _send(world: World, client: Client, process: Process) -> None:
    world.send(client, process)


async def _run_out(world: World, owner: str) -> None:
    world.store.expire(owner)


async def _light(world: World, name: str) -> None:
    world.dark.discard(name)


async def _darken(world: World, process: Process) -> None:
    world.dark.add(process.name)
    for request in [request for request in world.network.waiting if request.process == process.name]:
        world.network.lose(request, arrives_late=world.random.random() < 0.3)


async def _advance(process: Process, due_ms: int) -> None:
    process.clock.advance(due_ms)


async def _lose_answer(world: World, request: Request) -> None:
    await world.network.deliver(request, lose_answer=True)


async def _lose(world: World, request: Request, *, late: bool) -> None:
    world.network.lose(request, arrives_late=late)


async def _crash(world: World, process: Process) -> None:
    for owner in process.owners[-1:]:
        world.store.expire(owner)
    for delivery in [d for d in world.deliveries if d.process == process.name]:
        world.deliveries.remove(delivery)
        if world.random.random() < 0.5:
            world.put_out(delivery, zombie=True)
    await process.crash()
    for client in world.clients:
        if client.waiting_for == process.name:
            client.waiting_for = None
    world.processes[process.name] = Process(world, process.name)


async def _expire(world: World, process: Process) -> None:
    world.store.expire(process.owners[-1])


async def _clock_back(world: World) -> None:
    world.store_clock.step_wall(-60_000)


def _short(request: Request) -> str:
    if request.name == "claim":
        return f" {request.args[0]}/{request.args[1]} {list(request.args[2])}"
    if request.name == "settle":
        return f" {[(c.key, tuple(c.expected), tuple(c.new) if c.new else None) for c in request.args[0]]}"
    return f" {request.args[:2]}"
