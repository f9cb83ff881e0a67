"""What the server answers, and how it says no."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tsprompt import PromptClassifier

pytestmark = [
    pytest.mark.extra("serve"),
    pytest.mark.filterwarnings("ignore::tsprompt.TspromptNotice"),
]

JSON = {"content-type": "application/json"}


def near(answer: Any, expected: Any) -> None:
    assert answer.status_code == 200, answer.text
    told = answer.json()
    found = np.array([case["probabilities"] for case in told["cases"]])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    best = [told["classes"][at] for at in found.argmax(axis=1)]
    assert [case["label"] for case in told["cases"]] == best


@pytest.fixture(scope="module")
def one(folder: Path) -> PromptClassifier:
    return PromptClassifier.load(folder / "one", device="cpu")


@pytest.fixture(scope="module")
def waves(folder: Path) -> PromptClassifier:
    return PromptClassifier.load(folder / "two" / "waves", device="cpu")


def test_models_tell_what_they_expect(client: Any) -> None:
    told = client.get("/models").json()
    assert [model["name"] for model in told["models"]] == ["one", "two/waves"]
    assert told["problems"] == []
    model = client.get("/models/two/waves").json()
    assert model["features"] == {"count": 2, "names": None}
    assert model["lengths"] == {"shortest": 20, "longest": 20}
    assert model["classes"] == ["calm", "mild", "wild"]
    assert client.get("/models/one").json()["figures"]["test accuracy"] == 0.5
    assert client.get("/models/none").status_code == 404


def test_it_says_that_it_is_there(client: Any) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["models"]) == (200, 2)
    counted = client.get("/metrics").text
    assert "tsprompt_models 2.0" in counted


def test_it_says_so_where_it_can_predict_no_more(serving: Any, folder: Path) -> None:
    with serving(folder) as client:
        client.portal.call(client.service._work.cancel)
        assert client.get("/healthz").status_code == 503


def test_a_small_body_needs_no_thread(
    client: Any, monkeypatch: pytest.MonkeyPatch, one: PromptClassifier, separable: Any
) -> None:
    X = separable.X_test[:, :, :1]
    threads: list[str] = []
    threaded = client.service._threaded

    def noted(work: Any, *given: Any) -> Any:
        threads.append(work.__name__)
        return threaded(work, *given)

    monkeypatch.setattr(client.service, "_threaded", noted)
    for count, expected in ((1, []), (15, ["_from_json"])):
        threads.clear()
        body = json.dumps({"cases": X[:count].tolist()}, indent=60 if count > 1 else None)
        answer = client.post("/models/one/predict", content=body, headers=JSON)
        near(answer, one.predict_proba(X[:count]))
        assert threads == expected


def test_json_is_answered_as_the_model_answers(
    client: Any, waves: PromptClassifier, separable: Any
) -> None:
    X = separable.X_test
    body = {"cases": X.tolist(), "ids": [f"case {i}" for i in range(len(X))]}
    answer = client.post("/models/two/waves/predict", json=body)
    near(answer, waves.predict_proba(np.asarray(X, float)))
    assert answer.json()["cases"][2]["id"] == "case 2"
    assert len(answer.json()["digest"]) == 64


def test_cases_have_gaps_and_lengths_of_their_own(
    client: Any, one: PromptClassifier, separable: Any
) -> None:
    X = [separable.X_test[0, :, 0].tolist(), separable.X_test[1, :14, 0].tolist()]
    X[0][3] = None
    expected = one.predict_proba([np.array(x, float) for x in X])
    near(client.post("/models/one/predict", json={"cases": X}), expected)


@pytest.fixture(scope="module")
def table(separable: Any) -> pd.DataFrame:
    return pd.DataFrame(
        separable.X_test[:4, :, 0].astype(float), columns=[f"t{i}" for i in range(20)]
    )


def sent(table: pd.DataFrame, kind: str) -> tuple[bytes, str]:
    """A table as a body, and its type."""
    arrow = pa.Table.from_pandas(table)
    if kind == "csv":
        return table.to_csv(index=False).encode(), "text/csv"
    if kind == "parquet":
        return table.to_parquet(index=False), "application/vnd.apache.parquet"
    sink = io.BytesIO()
    make = pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file
    with make(sink, arrow.schema) as file:
        file.write_table(arrow)
    return sink.getvalue(), f"application/vnd.apache.arrow.{kind}"


@pytest.mark.parametrize("kind", ["csv", "parquet", "file", "stream"])
def test_tables_are_read_as_the_models_file_was(
    client: Any, one: PromptClassifier, table: pd.DataFrame, kind: str
) -> None:
    body, content = sent(table[table.columns[::-1]], kind)
    answer = client.post("/models/one/predict", content=body, headers={"content-type": content})
    near(answer, one.predict_proba(table.to_numpy()))


@pytest.mark.parametrize("kind", ["text/csv", "application/vnd.apache.arrow.stream"])
def test_answers_come_as_tables_too(client: Any, table: pd.DataFrame, kind: str) -> None:
    body = {"cases": table.to_numpy().tolist()}
    answer = client.post("/models/one/predict", json=body, headers={"accept": f"{kind}, */*"})
    assert answer.headers["content-type"].startswith(kind)
    if kind == "text/csv":
        rows = pd.read_csv(io.BytesIO(answer.content))
    else:
        rows = pa.ipc.open_stream(answer.content).read_all().to_pandas()
    assert list(rows.columns) == ["case", "label", "p(calm)", "p(mild)", "p(wild)"]
    assert len(rows) == 4


def test_sets_hold_what_the_models_sets_hold(
    client: Any, waves: PromptClassifier, separable: Any
) -> None:
    assert client.get("/models/two/waves").json()["calibrated"]
    X = np.asarray(separable.X_test, float)
    path = "/models/two/waves/predict?coverage=0.9"
    told = client.post(path, json={"cases": X.tolist()}).json()
    assert told["coverage"] == 0.9
    calibration = waves.fitted_.calibrated(0.9)
    held = calibration.sets(waves.predict_proba(X), 0.9)
    expected = [waves.classes_[row].tolist() for row in held]
    assert [one["set"] for one in told["cases"]] == expected
    table = client.post(path, json={"cases": X.tolist()}, headers={"accept": "text/csv"}).text
    assert table.splitlines()[0].endswith(",set")


@pytest.mark.parametrize(
    ("coverage", "said"), [("2", "coverage"), ("0.999", "cases"), ("x", "coverage")]
)
def test_sets_that_can_not_be_had_are_refused(client: Any, coverage: str, said: str) -> None:
    path = f"/models/one/predict?coverage={coverage}"
    answer = client.post(path, json={"cases": [[1.0, 2.0]]})
    assert (answer.status_code, said in answer.json()["error"]) == (422, True), answer.text
    in_words_of_http(answer.json()["error"])


def test_what_an_option_can_not_be_is_told(client: Any) -> None:
    answer = client.post("/models/one/predict?explain=perhaps", json={"cases": [[1.0]]})
    assert (answer.status_code, answer.json()["error"]) == (422, "?explain= is true or false")


def test_answers_are_explained(client: Any, waves: PromptClassifier, separable: Any) -> None:
    from tsprompt import explain

    X = np.asarray(separable.X_test[:2], float)
    about = client.get("/models/two/waves").json()["explanations"]
    path = "/models/two/waves/predict?explain=true"
    told = client.post(path, json={"cases": X.tolist()}).json()["cases"]
    expected = explain(waves, X, method=told[0]["explanation"]["method"])
    assert about == {"method": told[0]["explanation"]["method"], "most_cases": 8}
    options = client.get("/openapi.json").json()["paths"]["/models/{name}/predict"]["post"]
    assert "8 cases" in str(options["parameters"])
    for one, own in zip(told, expected, strict=True):
        assert one["explanation"]["predicted"] == one["label"] == own.predicted
        np.testing.assert_allclose(one["shares"], own.by_timestep(), atol=1e-6)
    answer = client.post(path, json={"cases": [X[0].tolist()] * 9})
    assert (answer.status_code, "8 cases" in answer.json()["error"]) == (413, True)


def test_what_is_remarkable_is_noted(serving: Any, folder: Path) -> None:
    with serving(folder) as client:
        answer = client.post("/models/one/predict", json={"cases": [[1.0, 2.0, 3.0]]})
    assert "far shorter or longer" in answer.json()["notes"][0]


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        (b"{", JSON, 422, "is no JSON"),
        (b"[" * 100_000, JSON, 422, "is no JSON"),
        (b"", JSON, 422, "is empty"),
        (b"{}", JSON, 422, "cases"),
        (b'{"cases": []}', JSON, 422, "cases"),
        (b'{"cases": [[]]}', JSON, 422, "no timesteps"),
        (b'{"cases": 1}', JSON, 422, "cases is no list"),
        (b'{"cases": [1]}', JSON, 422, "cases[0] is no list"),
        (b"[[1]]", JSON, 422, "the body is no object"),
        (b'{"cases": [[1]], "ids": [1]}', JSON, 422, "ids[0] is no text"),
        (b'{"cases": [["a"]]}', JSON, 422, 'cases[0][0]: "a" is no number; write null'),
        (b'{"cases": [[1, [2]]]}', JSON, 422, "cases[0][1]: a case is a list of T numbers"),
        (b'{"cases": [[[1], [[2]]]]}', JSON, 422, "cases[0][1]: [2] is no number"),
        (b'{"cases": [[[1], [2, 3]]]}', JSON, 422, "has 2 features, and the first timestep has 1"),
        (b'{"cases": [[[1]], [[2, 3]]]}', JSON, 422, "cases[1]"),
        (b'{"cases": [[[1, 2]]]}', JSON, 422, "has 2 features"),
        (b'{"cases": [[1]], "path": "/etc/passwd"}', JSON, 422, "path"),
        (b'{"cases": [[1]], "ids": []}', JSON, 422, "0 names for 1 case:"),
        (b"x", {"content-type": "application/python-pickle"}, 415, "Content-Type"),
        (b"x", {}, 415, "Content-Type"),
        (b"x", {**JSON, "content-encoding": "gzip"}, 415, "packed"),
        (b"t0,t1\n1,2\n", {"content-type": "text/csv"}, 422, "t2"),
        (b"PAR1", {"content-type": "application/vnd.apache.parquet"}, 422, "can't be read"),
        (b"ARROW1", {"content-type": "application/vnd.apache.arrow.file"}, 422, "can't be read"),
    ],
)
def test_what_can_not_be_used_is_refused_in_words(
    client: Any, body: bytes, headers: dict[str, str], status: int, said: str
) -> None:
    answer = client.post("/models/one/predict", content=body, headers=headers)
    assert (answer.status_code, said in answer.json()["error"]) == (status, True), answer.text
    in_words_of_http(answer.json()["error"])


def in_words_of_http(text: str) -> None:
    """Nothing that is said in Python, or can't be done over HTTP."""
    foreign = r"calibrate_on|\.transpose|\.astype|NaN|Input should|valid|--\w"
    assert not re.search(foreign, text), text


def test_numbers_that_no_float_holds_are_gaps(client: Any) -> None:
    body = b'{"cases": [[1, 2, %s, null]]}' % (b"9" * 400)
    assert client.post("/models/one/predict", content=body, headers=JSON).status_code == 200


def test_axes_in_the_other_order_are_told(client: Any, separable: Any) -> None:
    flipped = separable.X_test[:2].transpose(0, 2, 1).tolist()
    answer = client.post("/models/two/waves/predict", json={"cases": flipped})
    assert (answer.status_code, "timesteps come before" in answer.text) == (422, True)
    in_words_of_http(answer.json()["error"])


def test_uneven_times_are_refused_without_what_only_a_file_can_have(client: Any) -> None:
    rows = "id,time,t0\n" + "".join(f"a,{time},1\n" for time in (0, 1, 2, 3, 5))
    path = "/models/one/predict?layout=long&id=id&time=time&values=t0"
    answer = client.post(path, content=rows, headers={"content-type": "text/csv"})
    assert (answer.status_code, "is not even" in answer.text) == (422, True), answer.text
    assert "resample" not in answer.text


def test_a_model_without_calibration_says_why_and_nothing_that_clients_can_not_do(
    folder: Path, serving: Any, tmp_path: Path
) -> None:
    model = PromptClassifier.load(folder / "one", device="cpu")
    model.fitted_.calibration = None
    model.save(tmp_path / "bare")
    with serving(tmp_path) as client:
        answer = client.post("/models/bare/predict?coverage=0.9", json={"cases": [[1.0]]})
        assert (answer.status_code, "which classes a set must hold" in answer.text) == (422, True)
        in_words_of_http(answer.json()["error"])


def test_too_much_is_refused(serving: Any, folder: Path) -> None:
    limits = {"body_bytes": 2000, "cases": 3, "timesteps": 50, "values": 100}
    with serving(folder, **limits) as client:

        def refused(cases: list[list[float]]) -> str:
            answer = client.post("/models/one/predict", json={"cases": cases})
            assert answer.status_code == 413
            return str(answer.json()["error"])

        assert "2,000 bytes" in refused([[0.0] * 1000])
        assert "4 cases" in refused([[0.0]] * 4)
        assert "51 timesteps" in refused([[0.0] * 51])
        assert "100 numbers" in refused([[0.0] * 50] * 3)
        pieces = iter([b'{"cases": [[0'] + [b", 0" * 100] * 20)  # no Content-Length
        answer = client.post("/models/one/predict", content=pieces, headers=JSON)
        assert answer.status_code == 413


def test_a_few_bytes_that_stand_for_many_values_are_refused(client: Any) -> None:
    many = pa.table({"t0": pa.array(np.zeros(5_000_000))})
    sink = io.BytesIO()
    pa.parquet.write_table(many, sink)
    assert len(sink.getvalue()) < 200_000
    answer = client.post(
        "/models/one/predict",
        content=sink.getvalue(),
        headers={"content-type": "application/vnd.apache.parquet"},
    )
    assert (answer.status_code, "values" in answer.json()["error"]) == (422, True)


def test_what_is_nowhere_is_said_in_the_same_form(client: Any) -> None:
    assert "error" in client.get("/nothing/here").json()
    assert client.delete("/models").status_code == 405
    assert client.get("/models/../../etc/passwd").status_code == 404


def test_every_answer_has_the_headers_that_keep_browsers_in_bounds(client: Any) -> None:
    for path in ("/models", "/nothing", "/healthz"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers


def test_the_description_names_every_route_and_is_valid(client: Any) -> None:
    told = client.get("/openapi.json").json()
    assert {"/models", "/models/{name}", "/models/{name}/predict"} <= set(told["paths"])
    predict = told["paths"]["/models/{name}/predict"]["post"]
    assert "application/json" in predict["requestBody"]["content"]
    assert {"413", "422", "429", "503"} <= set(predict["responses"])
    json.dumps(told)
