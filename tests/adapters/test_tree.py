"""Structures go to leaves and back."""

from collections import namedtuple

from hypothesis import given
from hypothesis import strategies as st

from lancbio_ref.adapters.tree import filled, leaves, mapped, paths

Pair = namedtuple("Pair", "first second")
trees = st.recursive(
    st.floats(allow_nan=False),
    lambda part: (
        st.lists(part, max_size=3)
        | st.lists(part, max_size=3).map(tuple)
        | st.builds(Pair, part, part)
        | st.dictionaries(st.text(max_size=2), part, max_size=3)
    ),
    max_leaves=10,
)


@given(trees)
def test_filled_with_its_own_leaves_a_tree_is_itself(tree):
    again = filled(tree, iter([leaf.value for leaf in leaves(tree)]))
    assert again == tree and type(again) is type(tree)
    assert paths(mapped(tree, lambda value: value + 1)) == paths(tree)
