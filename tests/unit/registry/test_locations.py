"""Places of files: what an address means, and which places have files in common."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st
from jenkins_mlflow.registry.locations import Location, Touched, mentioned, parse_location, touches

RUN, OTHER, LOGGED = "a" * 32, "b" * 32, "m-" + "c" * 32


@pytest.mark.parametrize(
    ("uri", "same"),
    [
        ("mlflow-artifacts:/1/r/artifacts", Location("mlflow-artifacts", "", ("1", "r", "artifacts"))),
        ("mlflow-artifacts://host:5/1//r/", Location("mlflow-artifacts", "host:5", ("1", "r"))),
        ("/srv/mlruns/1", Location("file", "", ("srv", "mlruns", "1"))),
        ("file:///srv/mlruns/1", Location("file", "", ("srv", "mlruns", "1"))),
        ("S3://Bucket/key", Location("s3", "Bucket", ("key",))),
    ],
)
def test_what_an_address_means(uri: str, same: Location) -> None:
    """One place has one form, and its address means itself."""
    assert parse_location(uri) == same
    assert parse_location(same.uri) == same


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("/srv/mlruns/../etc", "it has . or .. in its path"),
        ("mlflow-artifacts:/1/./r", "it has . or .. in its path"),
        ("mlflow-artifacts:/1/%2e%2e/r", "it has a character that servers interpret differently"),
        ("/srv\\..\\etc", "it has a character that servers interpret differently"),
        ("s3://bucket/key?version=1", "it has a character that servers interpret differently"),
        ("/srv/a\nb", "it has a character that servers interpret differently"),
        ("file://elsewhere/srv", "it is on another host, elsewhere"),
        ("mlruns/1", "it is a relative path"),
        ("", "it is a relative path"),
    ],
)
def test_what_means_no_place(uri: str, why: str) -> None:
    """Nothing is guessed about a text that could mean several places."""
    with pytest.raises(ValueError, match=f"^{why}$"):
        parse_location(uri)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (f"s3://b/1/{RUN}/artifacts/model", f"s3://b/1/{RUN}/artifacts/model", True),
        (f"s3://b/1/{RUN}/artifacts", f"s3://b/1/{RUN}/artifacts/model", True),
        ("s3://b/1", f"s3://b/1/{RUN}/artifacts/model", True),
        (f"s3://b/1/{RUN}/artifacts/model", f"s3://b/1/{RUN}/artifacts/model-2", False),
        (f"s3://b/1/{RUN}/artifacts/model", f"s3://b/1/{OTHER}/artifacts/model", False),
        # the same files by another way: through the server, by another name of it, over a link
        (f"s3://b/1/{RUN}/artifacts/model", f"mlflow-artifacts:/1/{RUN}/artifacts/model", True),
        (f"mlflow-artifacts://h/1/{RUN}/artifacts", f"mlflow-artifacts:/1/{RUN}/artifacts/model", True),
        (f"/srv/1/{RUN}/artifacts/a", f"/mnt/data/1/{RUN}/artifacts/a/b", True),
        (f"/srv/1/{RUN}/artifacts/a", f"s3://b/1/{RUN}/artifacts/b", False),
    ],
)
def test_which_places_have_files_in_common(one: str, other: str, expected: bool) -> None:
    """Equal to, above or below; also where only the way from the run's id on is the same. Touched finds the same."""
    a, b = parse_location(one), parse_location(other)
    assert touches(a, b) is touches(b, a) is expected
    assert Touched([("x", a)]).by(b) == ("x" if expected else "")
    assert Touched([("x", b)]).by(a) == ("x" if expected else "")


def test_what_a_text_may_mean() -> None:
    """An id in it means all that bears it; a relative path means every place with that path in it."""
    model = parse_location(f"mlflow-artifacts:/1/models/{LOGGED}/artifacts")
    (claim,) = mentioned(f"odd://?{LOGGED}%2e")
    assert touches(claim, model)
    assert Touched([("x", claim)]).by(model) == "x"
    relative = Touched([("x", location) for location in mentioned("./mlruns/1")])
    assert relative.by(parse_location(f"/srv/mlruns/1/{RUN}/artifacts")) == "x"
    assert relative.by(parse_location(f"/srv/mlruns/2/{RUN}/artifacts")) == ""
    assert mentioned("") == []


names = st.sampled_from(["1", "models", RUN, OTHER, LOGGED, "artifacts", "model"])
places = st.builds(
    Location,
    st.sampled_from(["file", "s3"]),
    st.sampled_from(["", "b"]),
    st.lists(names, min_size=1, max_size=5).map(tuple),
)


@settings(deadline=None)
@given(st.lists(places, max_size=6), places)
def test_many_claims_are_looked_through_as_one_by_one(claims: list[Location], place: Location) -> None:
    """The index finds a claim if and only if there is one that touches the place."""
    found = Touched([(location.uri, location) for location in claims]).by(place)
    assert bool(found) == any(touches(location, place) for location in claims)
