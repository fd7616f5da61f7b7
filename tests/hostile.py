"""What must not come in, by kind: shared by the tests of every door. Each is one example of what a source has sent."""

MOMENTS: tuple[object, ...] = (
    *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-01:00"),
    *("1899-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "9999-12-31", "infinity", "-infinity", "now", "2026"),
    *("20261127120000Z", "20261127T120000Z", "2026-W48-5T12:00:00Z", "2026-331T12:00:00Z", "2026-11-27T12Z"),
    *("2026-11-27T12:00Z", "2026-11-27T12:00:00,5Z", "2026-11-27X12:00:00Z", "2026-11-27 12:00:00Z"),
    *("2026-11-27T12:00:00", "2026-11-27", "2026-11-27T12:00:00+01:00:30", "2026-11-27T12:00:00+0100"),
    *("2026-11-27T12:00:00+01", "2026-11-27T12:00:00+24:00", "2026-11-27T12:00:00Z\n", " 2026-11-27T12:00:00Z"),
    *("2026-11-27T12:00:60Z", "2026-11-27T24:00:00Z", "2026-02-30T12:00:00Z", "2026-11-27T12:00:00.Z"),
    *("２０２６-11-27T12:00:00Z", "2026-11-27T12:00:00Z\x00", "1764374400", 1764374400, 1764374400.5, True, [], {}),
)
DAYS: tuple[object, ...] = (
    *("0001-01-01", "9999-12-31", "1899-12-31", "2200-01-01", "infinity", "2026", "20261127", "2026-W48-5", "2026-331"),
    *("2026-11-27T00:00:00Z", "2027-01-01T00:00:00+05:00", "2026-02-30", "2026-11-27\n", " 2026-11-27", "27-11-2026"),
    *("２０２６-11-27", "2026-1-1", "1764374400", 1764374400, 1764374400.5, True, [], {}),
)
FLAGS: tuple[object, ...] = ("yes", "true", "1", 1, 0, 1.0, "", [], {})
WHOLES: tuple[object, ...] = ("12", " 12", "1_2", 12.0, 12.5, True, [], {})
DECIMALS = ("+1", "-1", "9" * 19, "-0", "01", " 1", "1 ", "1_0", "1.0", "1e1", "0x1", "１", "", "1\n")
SWITCHES = ("yes", "1", "0", "True", "on", "", "true ")

NESTED = b'{"a":' * 300 + b"1" + b"}" * 300
JSON = {
    "a name twice": b'{"a":1,"a":2}',
    "a name twice, one escaped": b'{"a":1,"\\u0061":2}',
    "a name twice, deep": b'{"a":[{"b":1,"c":{},"b":2}]}',
    "deep objects": NESTED,
    "deep lists": b"[" * 33 + b"]" * 33,
    "NUL": b'{"a":"b\\u0000c"}',
    "NUL in a name": b'{"a\\u0000":1}',
    "NUL after a backslash": b'{"a":"\\\\\\u0000"}',
    "half a surrogate": b'{"a":"\\ud800"}',
    "halves in the wrong order": b'{"a":"\\udc00\\ud800"}',
    "a surrogate's bytes": b'{"a":"\xed\xa0\x80"}',
    "not UTF-8": b'{"a":"\xff"}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"a":1}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":-Infinity}',
    "too large": b'{"a":9223372036854775808}',
    "far too large": b'{"a":' + b"9" * 5000 + b"}",
    "infinite": b'{"a":1e400}',
    "two documents": b"{}{}",
    "a comma too many": b"[1,]",
    "a comment": b"{}//",
    "a zero before": b"[01]",
    "a raw line feed": b'["\n"]',
    "single quotes": b"{'a':1}",
    "cut": b'{"a":"',
    "nothing": b"",
}

NUMBER = "91" + "0290" + "1234"  # 31 February, 60 added: nobody's
NUMBERS = (
    *(
        NUMBER,
        f"evt{NUMBER}",
        f"x{NUMBER}y",
        f"ref{NUMBER}",
        f"A{NUMBER}",
        f"a.{NUMBER}",
        f"a-{NUMBER}-b",
        f"a/{NUMBER}",
    ),
    *(
        "A-910-290-" + "123-4",
        "91-02-90-" + "1234",
        "910290-" + "1234",
        "910290" + " 1234",
        "9 1 0 2 9 0 1 2 3 4",
        "91/02/90." + "1234",
    ),
    *("910290\u00a0" + "1234", "910290\u200b" + "1234", "910290\u2011" + "1234", "９１０２９０" + "１２３４"),
    *("\u0669\u0661\u0660\u0662\u0669\u0660\u0661\u0662\u0663\u0664", f"urn:kk:fasit:{NUMBER}", f"sag {NUMBER}"),
)
INVISIBLE = ("", " ", "   ", "\u200b", "\u00a0\u2003", "\u00ad", "\u3164", "\u2060\ufeff", "\u0301", "\u2800")
UNPRINTABLE = ("a\x00b", "a\tb", "a\rb", "a\x1bb", "a\x7fb", "a\x85b", "a\u2028b", "a\ue000b")
TURNED = ("\u202eabc", "abc\u202c", "a\u2066bc", "a\u200fbc")
TEXTS = (*NUMBERS, *INVISIBLE, *UNPRINTABLE, *TURNED, "abcdefgh\n", "a" * 5_000)
