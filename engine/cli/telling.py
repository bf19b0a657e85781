"""Where `rulemill serve` says that it listens.

In: an address. Out: lines on standard output. Rule of the file: the first line is for programs, and is said when connections are taken.
"""


def tell_address(address: str, *, demo: bool) -> None:
    """Say where the service listens; with `demo` also, for people, where its console is."""
    print(f"rulemill: listening on {address}", flush=True)
    if demo:
        print(f"rulemill: the console is at {address}/ - save a file of the rules, and see there what becomes of it", flush=True)
