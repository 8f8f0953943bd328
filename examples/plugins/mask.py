"""The plug-in `mask` in Python: puts what the program's table `people` says in place of names."""

from wit_world import exports
from wit_world.exports.filters import About, Filter
from wit_world.imports.data import Table
from wit_world.imports.logging import Level, log

people = None  # of the first line, for all that follow


class Filters(exports.Filters):
    def describe(self) -> About:
        return About("mask-python", "1.0.0", [Filter("mask-python", "puts a role in place of a name")])

    def apply(self, filter: str, text: str) -> str | None:
        global people
        if people is None:
            table = Table.open("people")  # raises the error that it returns
            people = {name: table.get(name) for name in table.keys()}
            log(Level.INFO, f"{len(people)} names are masked")
        for name, role in people.items():
            text = text.replace(name, role)
        return text
