"""The verifier passes an honest log and names what is wrong with any other."""

import orjson
import pytest
from typer.testing import CliRunner

from libs.cli.verifying.audit_leaves import Gap, LeafError, parse_leaf
from libs.cli.verifying.audit_note import NoteError, VerifierKey, _check_signature
from libs.cli.verifying.audit_tree import EMPTY_ROOT, Frontier
from libs.cli.verifying.audit_verify import LogUnreadableError, Verdict, verify_log
from tests.cli.world.log_double import ORIGIN, LogDouble, gap, leaf, root

runner = CliRunner()

# The leaves and roots of the Certificate Transparency reference tree.
CT_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


@pytest.mark.parametrize("size", CT_ROOTS)
def test_the_tree_has_the_roots_of_certificate_transparency(size: int) -> None:
    assert Frontier.of(bytes.fromhex(entry) for entry in CT_LEAVES[:size]).root.hex() == CT_ROOTS[size]


def test_the_tree_agrees_with_the_definition_for_every_small_size() -> None:
    leaves = [bytes([n]) for n in range(70)]
    tree = Frontier()
    assert tree.root == EMPTY_ROOT
    for size, entry in enumerate(leaves, start=1):
        tree.append(entry)
        assert tree.root == root(leaves[:size])


PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
WISDOM = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNED = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="


def test_the_sample_of_the_signed_note_specification_verifies() -> None:
    _check_signature(WISDOM, [SIGNED], VerifierKey.parse(PETER))
    with pytest.raises(NoteError, match="does not hold"):
        _check_signature(WISDOM.replace(b"answer", b"answar"), [SIGNED], VerifierKey.parse(PETER))


@pytest.fixture
def log() -> LogDouble:
    made = LogDouble()
    made.append(*(leaf("consent", number) for number in (1, 2, 4, 3)))
    made.append(leaf("advis", 1), leaf("audit-log", None, schema="audit-log/1"))
    made.append(*(leaf("consent", number) for number in (5, 6)))
    made.sign()
    return made


async def verdict(log: LogDouble, *, known: str | None = None) -> Verdict:
    async with log.serving() as url:
        return await verify_log(url, "auditor", vkey=log.vkey, known=known)


async def test_an_honest_log_is_intact(log: LogDouble) -> None:
    found = await verdict(log)
    assert found.intact, found.findings
    assert (found.leaves, found.signed, found.lanes, found.exit_code) == (8, 8, 2, 0)
    assert found.root == root(log.leaves).hex()


async def test_an_empty_log_is_intact() -> None:
    log = LogDouble()
    log.sign()
    assert (await verdict(log)).intact


async def test_leaves_after_the_checkpoint_are_verified_too(log: LogDouble) -> None:
    log.append(leaf("consent", 7))
    found = await verdict(log)
    assert found.intact
    assert (found.leaves, found.signed) == (9, 8)


async def test_every_changed_leaf_is_found(log: LogDouble) -> None:
    honest = list(log.leaves)
    for place, raw in enumerate(honest):
        log.leaves = [*honest[:place], raw.replace(b'"citizen"', b'"citizeN"'), *honest[place + 1 :]]
        found = await verdict(log)
        assert found.exit_code == 2, place
        assert any("do not hash to the root" in finding for finding in found.findings)


async def test_a_removed_leaf_is_found(log: LogDouble) -> None:
    del log.leaves[5]
    assert (await verdict(log)).exit_code == 2


async def test_swapped_leaves_are_found(log: LogDouble) -> None:
    log.leaves[0], log.leaves[1] = log.leaves[1], log.leaves[0]
    assert (await verdict(log)).exit_code == 2


async def test_a_log_cut_off_behind_its_checkpoint_is_found(log: LogDouble) -> None:
    del log.leaves[6:], log.batches[-1]
    found = await verdict(log)
    assert found.exit_code == 2
    assert "the log ends at 6 leaves, but the signed checkpoint covers 8" in found.findings


async def test_a_batch_that_says_another_root_is_found(log: LogDouble) -> None:
    log.batches[1]["root"] = log.batches[2]["root"]
    assert "the 4 leaves do not hash to the root of the batch of size 4" in (await verdict(log)).findings


async def test_a_batch_that_is_left_out_is_found(log: LogDouble) -> None:
    del log.batches[2]
    assert "the batch of size 8 does not follow the batch of size 4" in (await verdict(log)).findings


async def test_a_log_rewritten_and_signed_again_is_found_by_a_checkpoint_kept_from_before(log: LogDouble) -> None:
    kept = log.sign(log.leaves[:6])
    rewritten = LogDouble(key=log.key)
    rewritten.append(*(leaf("consent", number) for number in range(1, 9)))
    rewritten.sign()
    assert (await verdict(rewritten)).intact
    found = await verdict(rewritten, known=kept)
    assert found.findings == ("the 6 leaves do not hash to the root of the checkpoint kept from before",)


async def test_a_log_restored_from_a_backup_is_found_by_a_checkpoint_kept_from_before(log: LogDouble) -> None:
    kept = log.note
    del log.leaves[6:], log.batches[-1]
    log.sign()
    assert (await verdict(log)).intact
    assert (await verdict(log, known=kept)).exit_code == 2


async def test_an_honest_log_that_grew_agrees_with_its_old_checkpoint(log: LogDouble) -> None:
    kept = log.note
    log.append(leaf("consent", 7))
    log.sign()
    assert (await verdict(log, known=kept)).intact


@pytest.mark.parametrize("text", ["", "no note", "a\n\nb", "a\n\n— name !"])
async def test_a_kept_file_that_is_no_checkpoint_says_nothing_about_the_log(log: LogDouble, text: str) -> None:
    with pytest.raises(LogUnreadableError):
        await verdict(log, known=text)


async def test_a_kept_checkpoint_that_was_changed_is_called_so(log: LogDouble) -> None:
    found = await verdict(log, known=log.note.replace("\n8\n", "\n7\n"))
    assert found.exit_code == 2


async def test_a_checkpoint_by_another_key_is_refused(log: LogDouble) -> None:
    other = LogDouble()
    async with log.serving() as url:
        found = await verify_log(url, "auditor", vkey=other.vkey)
    assert found.findings == (f"the checkpoint is not signed by {ORIGIN}",)


async def test_a_checkpoint_with_a_changed_size_is_refused(log: LogDouble) -> None:
    log.note = log.note.replace("\n8\n", "\n7\n")
    assert (await verdict(log)).findings == (f"the signature of {ORIGIN} on the checkpoint does not hold",)


async def test_the_logs_own_word_for_its_key_is_marked_as_such(log: LogDouble) -> None:
    async with log.serving() as url:
        assert (await verify_log(url, "auditor")).key_from_log
        assert not (await verify_log(url, "auditor", vkey=log.vkey)).key_from_log


async def test_a_missing_number_is_a_gap_and_not_a_break(log: LogDouble) -> None:
    log.append(leaf("consent", 9))
    log.sign()
    found = await verdict(log)
    assert found.gaps == (Gap("consent", 1, 3, 7, 8, reported=False),)
    assert found.exit_code == 3


async def test_a_gap_that_the_log_owns_up_to_is_still_a_gap(log: LogDouble) -> None:
    log.append(leaf("consent", 9), gap("gap.opened", 7, 8))
    log.sign()
    assert (await verdict(log)).gaps == (Gap("consent", 1, 3, 7, 8, reported=True),)


async def test_a_gap_that_was_filled_later_is_none(log: LogDouble) -> None:
    log.append(leaf("consent", 8), gap("gap.opened", 7, 7))
    log.append(leaf("consent", 7), gap("gap.closed", 7, 7))
    log.sign()
    assert (await verdict(log)).intact


async def test_the_first_numbers_of_a_lane_are_missed_too(log: LogDouble) -> None:
    log.append(leaf("advis", 3, lane=4))
    log.sign()
    assert (await verdict(log)).gaps == (Gap("advis", 1, 4, 1, 2, reported=False),)


@pytest.mark.parametrize("number", [1, 6, 0, -1, "7", True])
async def test_a_number_that_was_there_before_or_is_none_breaks_the_log(log: LogDouble, number: object) -> None:
    log.append(leaf("consent", 7) | {"number": number})
    log.sign()
    assert (await verdict(log)).exit_code == 2


async def test_two_leaves_with_one_id_break_the_log(log: LogDouble) -> None:
    log.append(leaf("consent", 7) | {"id": orjson.loads(log.leaves[0])["id"]})
    log.sign()
    assert (await verdict(log)).findings == ("leaf 8: another leaf has its id",)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw.replace(b'"v":1', b'"v": 1'),
        lambda raw: raw.replace(b'"v":1', b'"v":2'),
        lambda raw: raw.replace(b'"v":1', b'"v":1.0'),
        lambda raw: raw.replace(b'"number":7', b'"number":9007199254740992'),
        lambda raw: raw.replace(b'"v":1', b'"v":1,"x":1'),
        lambda raw: raw.replace(b'"tenant":"101",', b""),
        lambda raw: raw.replace(b'"101"', '"A\u030a"'.encode()),
        lambda raw: raw.replace(ORIGIN.encode(), b"another/log"),
        lambda raw: raw.replace(b'"101"', b'"' + b"1" * 17_000 + b'"'),
        lambda _: b"[]",
        lambda _: b"not JSON",
    ],
)
def test_a_leaf_in_any_other_form_is_refused(spoil: object) -> None:
    raw = orjson.dumps(leaf("consent", 7), option=orjson.OPT_SORT_KEYS)
    assert parse_leaf(raw, ORIGIN)["number"] == 7
    assert callable(spoil)
    with pytest.raises(LeafError):
        parse_leaf(spoil(raw), ORIGIN)


@pytest.mark.parametrize(
    "vkey",
    ["", "a+b", f"{ORIGIN}+00000000+AQ==", PETER.replace("c74f20a3", "c74f20a4"), PETER.replace("Peter", "Pater")],
)
def test_a_key_that_does_not_match_its_id_is_refused(vkey: str) -> None:
    with pytest.raises(NoteError):
        VerifierKey.parse(vkey)


async def test_a_log_that_does_not_answer_is_not_called_broken(log: LogDouble) -> None:
    with pytest.raises(LogUnreadableError):
        await verify_log("http://127.0.0.1:1", "auditor", vkey=log.vkey)
    async with log.serving() as url:
        with pytest.raises(LogUnreadableError):
            await verify_log(url, "nobody", vkey=log.vkey)
