"""Makes of a `Check` what the treaty wants exported. Only a component can import it."""

# By this, sockets look up names.
import encodings.idna  # noqa: F401
import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import check as treaty
# Named here so that they are there when a run asks for them: a component imports nothing once it is built.
from wit_world.imports import http, log, secrets, types  # noqa: F401

import farwatch


def exported(own):
    """The class that the component exports."""

    class Exported(exports.Check):
        def describe(self):
            check = own()
            # Python itself imports sockets, whether a check opens one or not.
            capabilities = sorted({*check.capabilities, "sockets"})
            return treaty.Description(check.name, check.version, check.summary, check.schema(), capabilities)

        def validate(self, config):
            problems = own().problems(config)
            if problems:
                raise Err([_problem(problem) for problem in problems])
            return treaty.Prepared(config.encode())

        def run(self, context):
            about = {name: value for name, value in vars(context).items() if name != "config"}
            try:
                return _outcome(own().run(json.loads(context.config), farwatch.Context(**about)))
            except farwatch.Problem as problem:
                raise Err(_problem(problem)) from None

    return Exported


def _problem(problem):
    return types.Problem(problem.code, problem.message, problem.field)


def _outcome(found):
    attributes = [types.Attribute(key, _value(fact)) for key, fact in found.facts.items()]
    status = types.Status[found.status.upper()]
    return types.Outcome(status, found.code, found.message, int(found.latency_us), attributes)


def _value(fact):
    if isinstance(fact, bool):
        return types.Value_Boolean(fact)
    if isinstance(fact, int):
        return types.Value_Integer(fact)
    if isinstance(fact, float):
        return types.Value_Float(fact)
    return types.Value_Text(str(fact))
