"""DBC files as people have them load, and those that cannot say why."""

from pathlib import Path

import pytest

from adapters.can import dbc as dbc_module
from adapters.can.dbc import Dbc, SignalRef, load_dbc, opendbc_path
from domain.errors import BadInputError
from tests.support.recordings import recording

VALID = """VERSION ""

NS_ :
    NS_DESC_
    CM_
    VAL_TABLE_

BS_:

BU_: Gateway

BO_ 416 Motor: 8 Gateway
 SG_ Drehzahl : 0|16@1+ (0.25,0) [0|16383] "1/min" Vector__XXX
 SG_ Gang : 23|4@0+ (1,0) [0|15] "" Vector__XXX

BO_ 385 Getriebe: 8 Gateway
 SG_ Gang : 0|4@1+ (1,0) [0|15] "" Vector__XXX

CM_ SG_ 416 Drehzahl "BO_ 70000 in a comment stays as it is";
VAL_ 416 Gang 0 "P" 1 "R" ;
"""


def loaded(tmp_path: Path, text: str | bytes) -> Dbc:
    path = tmp_path / "car.dbc"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_dbc(path)


def test_a_signal_is_found_by_name_and_by_message(tmp_path: Path) -> None:
    dbc = loaded(tmp_path, VALID)

    assert sorted(dbc.refs("Gang")) == [SignalRef("Getriebe", "Gang"), SignalRef("Motor", "Gang")]
    assert dbc.refs("Gang", "Motor") == (SignalRef("Motor", "Gang"),)
    assert dbc.refs("Gang", "Bremse") == dbc.refs("Bremsdruck") == ()
    assert dbc.signal(SignalRef("Motor", "Drehzahl")).unit == "1/min"
    assert dbc.labels(SignalRef("Motor", "Gang")) == {0: "P", 1: "R"}
    assert dbc.labels(SignalRef("Getriebe", "Gang")) == {}


def test_long_identifiers_without_their_mark_are_29_bit_ones_wherever_they_are_named(tmp_path: Path) -> None:
    long_id = 0x12DD54A7
    text = VALID.replace("416", str(long_id)) + f"SIG_GROUP_ {long_id} Alles 1 : Drehzahl Gang;\n"
    text += f"BO_TX_BU_ {long_id} : Gateway;\n"

    dbc = loaded(tmp_path, text)

    message = dbc.messages[0x8000_0000 | long_id]
    assert message.is_extended_frame
    assert set(dbc.messages) == {0x8000_0000 | long_id, 385}
    assert dbc.signal(SignalRef("Motor", "Drehzahl")).comment == "BO_ 70000 in a comment stays as it is"
    assert dbc.labels(SignalRef("Motor", "Gang")) == {0: "P", 1: "R"}


def test_the_mark_of_29_bits_is_added_for_float_types_and_extended_multiplexing(tmp_path: Path) -> None:
    dbc = loaded(
        tmp_path,
        """VERSION ""
BS_:
BU_: A
BO_ 70000 M: 8 A
 SG_ switch M : 0|4@1+ (1,0) [0|0] "" A
 SG_ inner m1M : 4|4@1+ (1,0) [0|0] "" A
 SG_ value m3 : 32|32@1- (1,0) [0|0] "" A
SIG_VALTYPE_ 70000 value : 1;
SG_MUL_VAL_ 70000 inner switch 1-2;
SG_MUL_VAL_ 70000 value inner 3-5;
""",
    )

    value = dbc.signal(SignalRef("M", "value"))
    assert value.conversion.is_float
    assert (value.multiplexer_signal, value.multiplexer_ids) == ("inner", [3, 4, 5])


def test_a_missing_bit_timing_section_is_no_obstacle(tmp_path: Path) -> None:
    dbc = loaded(tmp_path, VALID.replace("BS_:\n", "").replace("BU_: Gateway\n", ""))

    assert set(dbc.messages) == {416, 385}


def test_one_message_name_may_stand_for_two_identifiers(tmp_path: Path) -> None:
    dbc = loaded(tmp_path, VALID.replace("BO_ 385 Getriebe", "BO_ 2147484033 Motor"))

    assert set(dbc.messages) == {416, 0x80000181}
    assert dbc.refs("Gang") == (SignalRef("Motor", "Gang"),)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-8-sig"])
def test_units_are_read_in_either_encoding(tmp_path: Path, encoding: str) -> None:
    dbc = loaded(tmp_path, VALID.replace("1/min", "°C").encode(encoding))

    assert dbc.signal(SignalRef("Motor", "Drehzahl")).unit == "°C"


def test_encodings_may_change_from_line_to_line(tmp_path: Path) -> None:
    utf8, latin = VALID.replace("1/min", "°C").encode().split(b" SG_ Gang", 1)
    dbc = loaded(tmp_path, utf8 + b" SG_ Gang" + latin.replace(b'"P"', b'"f\xfcr P"'))

    assert dbc.signal(SignalRef("Motor", "Drehzahl")).unit == "°C"
    assert dbc.labels(SignalRef("Motor", "Gang"))[0] == "für P"


@pytest.mark.parametrize(
    ("good", "bad", "line", "said"),
    [
        ("BO_ 416 Motor:", "BO_ 416 Motor oops", 12, "`BO_ 416 Motor oops 8 Gateway`"),
        ('"1/min" Vector', '"1/min Vector', 13, "`SG_ Drehzahl"),
        ("BO_ 385 Getriebe", "BO_ 4294967295 Getriebe", 16, "more than 29 bits in message Getriebe"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path: Path, good: str, bad: str, line: int, said: str) -> None:
    with pytest.raises(BadInputError) as caught:
        loaded(tmp_path, VALID.replace(good, bad))

    assert caught.value.where == f"{tmp_path / 'car.dbc'}:{line}"
    assert said in caught.value.what
    assert "correct" in caught.value.remedy
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "BS_:\nBU_: A\n", "\x00\x01\x02", "MDF     4.10"])
def test_a_file_that_is_no_dbc_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInputError, match=r"car\.dbc") as caught:
        loaded(tmp_path, text)

    assert str(caught.value).isprintable()


def test_a_multiplexer_that_is_not_there_is_named(tmp_path: Path) -> None:
    text = VALID.replace("SG_ Gang : 23", "SG_ Gang m1 : 23") + "SG_MUL_VAL_ 416 Gang Schalter 1-1;\n"

    with pytest.raises(BadInputError, match=r"Motor\.Gang has the multiplexer Schalter"):
        loaded(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cannot be read"):
        load_dbc(tmp_path / "absent.dbc")


def test_the_remedy_for_a_missing_package_is_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbc_module, "find_spec", lambda _: None)

    with pytest.raises(BadInputError, match=r"install fleettwin\[vw\]"):
        opendbc_path("vw_mqb")


def test_a_name_that_the_package_does_not_have_is_refused() -> None:
    pytest.importorskip("opendbc")

    assert opendbc_path("vw_mqb") == opendbc_path("vw_mqb.dbc")
    with pytest.raises(BadInputError, match="no such DBC file"):
        opendbc_path("vw_mbq")


@pytest.mark.recordings
@pytest.mark.parametrize("name", ["pcan", "bcan", "ccan"])
def test_savvycan_files_load_as_their_corrected_copies_do(name: str) -> None:
    folder = recording("hyundai-kona-ev-can", "dbc")
    ours, corrected = load_dbc(folder / f"{name}.dbc"), load_dbc(folder / f"{name}.cantools.dbc")

    assert {i: m.signal_tree for i, m in ours.messages.items()} == {
        i: m.signal_tree for i, m in corrected.messages.items()
    }


@pytest.mark.recordings
@pytest.mark.parametrize(
    "parts",
    [
        ("seat-obd2-gps-mf4", "canmod-gps.dbc"),
        ("seat-obd2-gps-mf4", "OBD-v4.4.dbc"),
        ("css-misc-mf4", "CSS-Electronics-SAE-J1939-DEMO.dbc"),
        ("css-misc-mf4", "tp_uds_nissan.dbc"),
        ("css-misc-mf4", "gnss.dbc"),
        ("hyundai-kona-ev-can", "dbc", "comp_can.dbc"),
    ],
)
def test_real_files_load(parts: tuple[str, ...]) -> None:
    assert load_dbc(recording(*parts)).messages
