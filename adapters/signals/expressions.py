"""Arithmetic of mapping files, on whole columns: the formulas of KUKSA's `transform.math`.

They are those of the library py_expression_eval. Python's own parser reads the formula; only the node types listed here
are let through, and nothing is ever executed as Python. `^` is a power and `if(a, b, c)` a choice, as in
py_expression_eval.
"""

import ast
import operator
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Operand = NDArray[Any] | float
Expression = Callable[[Mapping[str, Operand]], Operand]

LENGTH_MAX: Final = 500  # characters of one formula

_BINARY: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: np.true_divide,
    ast.Mod: np.mod,
    ast.Pow: np.float_power,
}
_COMPARE: Final[dict[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_UNARY: Final[dict[type[ast.unaryop], Callable[[Any], Any]]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: np.logical_not,
}
_FUNCTIONS: Final[dict[str, tuple[int, Callable[..., Any]]]] = {  # name: (arguments, function)
    "abs": (1, np.abs),
    "ceil": (1, np.ceil),
    "floor": (1, np.floor),
    "round": (1, np.rint),
    "sqrt": (1, np.sqrt),
    "exp": (1, np.exp),
    "log": (1, np.log),
    "sin": (1, np.sin),
    "cos": (1, np.cos),
    "tan": (1, np.tan),
    "asin": (1, np.arcsin),
    "acos": (1, np.arccos),
    "atan": (1, np.arctan),
    "atan2": (2, np.arctan2),
    "min": (2, np.minimum),
    "max": (2, np.maximum),
    "pow": (2, np.float_power),
    "if_": (3, np.where),
}
_CONSTANTS: Final = {"PI": np.pi, "E": np.e}


class FormulaError(Exception):
    """A formula that cannot be used; the caller knows which file and place to name."""


def compiled(formula: str, names: Sequence[str]) -> Expression:
    """Return a formula over the variables `names` as a function of whole columns; raises FormulaError.

    Numbers follow numpy: a division by zero gives an infinity or not-a-number, which the caller makes invalid.
    """
    if len(formula) > LENGTH_MAX:
        raise FormulaError(f"the formula is longer than {LENGTH_MAX} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what Python finds merely odd, such as `1or x`, is no formula either
            tree = ast.parse(re.sub(r"\bif\s*\(", "if_(", formula).replace("^", "**").strip(), mode="eval")
        return _node(tree.body, frozenset(names))
    except (SyntaxError, Warning) as error:
        raise FormulaError(f"`{formula}` is no formula ({error})") from error
    except (ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise FormulaError(f"`{formula}` is no formula") from error


def _node(node: ast.expr, names: frozenset[str]) -> Expression:  # noqa: C901, PLR0911 - one case for each kind of node
    match node:
        case ast.Constant(value=bool() | int() | float() as constant):
            number = float(constant) if abs(constant) > 2**53 else constant
            return lambda _: number
        case ast.Name(id=name) if name in names:
            return operator.itemgetter(name)
        case ast.Name(id=name) if name in _CONSTANTS:
            return lambda _: _CONSTANTS[name]
        case ast.Name(id=name):
            raise FormulaError(f"`{name}` is not known in a formula: use {', '.join(sorted(names))}")
        case ast.UnaryOp(op=op, operand=inner) if type(op) in _UNARY:
            return _applied(_UNARY[type(op)], [_node(inner, names)])
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _applied(_BINARY[type(op)], [_node(left, names), _node(right, names)])
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            return _applied(_COMPARE[type(op)], [_node(left, names), _node(right, names)])
        case ast.BoolOp(op=op, values=[first, *others]):
            both = np.logical_and if isinstance(op, ast.And) else np.logical_or
            joined = _node(first, names)
            for other in others:
                joined = _applied(both, [joined, _node(other, names)])
            return joined
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            count, function = _FUNCTIONS[name]
            if len(arguments) != count:
                raise FormulaError(f"`{name.rstrip('_')}` takes {count} argument(s), not {len(arguments)}")
            return _applied(function, [_node(argument, names) for argument in arguments])
    what = f"`{ast.unparse(node)}` is not allowed in a formula"
    raise FormulaError(f"{what}: only numbers, {', '.join(sorted(names))} and arithmetic")


def _applied(function: Callable[..., Any], inner: list[Expression]) -> Expression:
    return lambda columns: function(*(part(columns) for part in inner))
