"""Texts that are JSON, texts that are not, and texts about which readers of JSON differ: each is here for one fault that readers have had."""

from typing import Final

DEPTH: Final = 100_000

VALUES: Final = (
    # numbers
    b"0", b"-0", b"0.0", b"-0.0", b"123", b"1e5", b"1E5", b"1e+5", b"1e-5", b"0e1", b"0e+1", b"1.5e10", b"-1", b"-123.456",
    b"1e-400", b"123.456e78", b"9007199254740993", b"18446744073709551615", b"-9223372036854775808", b"0.1000000000000000055511151231257827",
    b"-0.000000000000000000000000000000000000000000000000000000000000000000000000000001",
    b"0." + b"1" * 5_000,
    # strings
    b'""', b'" "', b'"a"', b'"\\""', b'"\\\\"', b'"\\/"', b'"\\b\\f\\n\\r\\t"', b'"\\u0000"', b'"\\u001f"', b'"\\u0041"', b'"\\u00e9"',
    b'"\\uD834\\uDD1E"', b'"\\ud834\\udd1e"', b'"\\uFFFF"', b'"\\uFEFF"', b'"\\uDBFF\\uDFFF"', b'"\\u2028\\u2029"', b'"\\\\u0000"',
    '"é"'.encode(), '"€"'.encode(), '"𝄞"'.encode(), '"\u2028\u2029"'.encode(), '"\ufeff"'.encode(), b'"\xef\xbf\xbf"', b'"\xf4\x8f\xbf\xbf"',
    b'"\x7f"', b'"/* no comment */ // none"', b'"[{]}"', b'"' + b"x" * 5_000 + b'"', b'"\\\\\\""', '"पा\u200dय"'.encode(),
    # words
    b"true", b"false", b"null",
    # arrays and objects
    b"[]", b"[ ]", b"[[]]", b"[[[]],{}]", b'[null,1,"a",{},[]]', b"[1\n]", b" [1] ", b"{}", b"{ }", b'{"":0}', b'{"a":{"b":{}}}', b'{"a":1,"a":2}',
    b'{"a":"b","a":"b"}', b'{"\\u0000":1}', b'{"min":-1.0e+28,"max":1.0e+28}', b'{"a":[]}', b'{ "a" :\t1 ,\r\n"b":2}', b'{"__proto__":{}}',
    b"[" * 60 + b"]" * 60, b'{"a":' * 59 + b"{}" + b"}" * 59, b"[" + b"0," * 2_000 + b"0]",
)  # fmt: skip
"""JSON values that an event may have in a member."""

NO_VALUES: Final = (
    # numbers
    b"+1", b"01", b"-01", b"00", b"-", b"--1", b"-+1", b"1.", b"-1.", b".5", b"-.5", b"1.e5", b".e5", b"1e", b"1e+", b"1eE5", b"1e5.5", b"1.2.3", b"0x1F",
    b"0b1", b"0o7", b"1_000", b"1,000 ", b"1 000", b"NaN", b"-NaN", b"nan", b"Infinity", b"-Infinity", b"+Infinity", b"Inf", b"1a", b"0.3e", b"0e", b"2.e3",
    b"1+2", b"1e1e1", "１".encode(), b"\xef\xbc\x91", b"-foo", b"9.e+",
    # strings
    b"'a'", b"a", b'"a', b'a"', b'"', b'"\\"', b'"\\', b'"\\a"', b'"\\x41"', b'"\\u"', b'"\\u1"', b'"\\u00"', b'"\\u00A"', b'"\\u00G0"', b'"\\U0041"', b'"\\0"', b'"\\ "',
    b'"\n"', b'"\t"', b'"\x00"', b'"\x1f"', b'"\\\n"', b'"\\uD800\\u"', b'"\\uD800\\u1x"', b"\"\\'\"", b"`a`", '"\\é"'.encode(), b"\\n", "“a”".encode(),
    # bytes that are no UTF-8
    b'"\xff"', b'"\x80"', b'"\xc0\xaf"', b'"\xe0\x80\xaf"', b'"\xed\xa0\x80"', b'"\xf4\xbf\xbf\xbf"', b'"\xf8\x88\x80\x80\x80"', b'"\xe9"', b'"\xc3"', b"\xff", b"\xe5",
    # words
    b"True", b"False", b"None", b"TRUE", b"tru", b"nul", b"nulll", b"fals", b"undefined", b"NULL", b"truefalse", b"true false", b"\xc2\xa0true",
    # arrays and objects
    b"[", b"]", b"[1", b"[1,", b"[1,]", b"[,]", b"[,1]", b"[1,,2]", b"[1 2]", b"[1;2]", b"[1:2]", b"[1}", b'["a",', b"[[]", b"[]]", b"[*]", b"[1,\n1\n,1", b"[...]", b"(1)", b"[-]",
    b"{", b"}", b'{"a"}', b'{"a":}', b'{"a":1,}', b'{"a":1,,"b":2}', b'{,"a":1}', b'{"a" 1}', b'{"a"::1}', b'{"a"=1}', b'{"a":1 "b":2}', b'{"a":1;"b":2}', b'{"a":1]',
    b"{a:1}", b"{'a':1}", b"{1:1}", b"{null:1}", b"{[]:1}", b'{"a":"b"', b'{"a":1}}', b'{"a":{}', b"{:1}", b'{"a","b"}', b'{"x":"a","y"', b'{"a":/*c*/1}', b'{"a":1} #',
    # what other languages allow
    b"/* c */ 1", b"1 // c", b"1 # c", b"--1 --", b"<null>", b"<!--1-->", b"&#49;", b"$1", b"!1", b"@", b"1;", b"{}//", b"\\u0031", b"[\x0b]", b"[\x0c]", b"[\xc2\x85]", b"[\xe2\x81\xa0]", b"[\x00]",
    b"", b" ", b"\n", b"\x00", b"\xef\xbb\xbf1", b"\xfe\xff\x001", b"1\x00", b"\x1b[0m",
    # depth
    b"[" * DEPTH, b'{"a":' * DEPTH, b'[{"a":' * DEPTH, b"[" * DEPTH + b"]" * (DEPTH - 1), b"]" * DEPTH,
)  # fmt: skip
"""Not JSON, whatever stands around it in a member of an event."""

OTHERS: Final = (
    b"1e400", b"-1e400", b"1e999999999999", b"123456789012345678901234567890", b"-123456789012345678901234567890", b"18446744073709551616", b"-9223372036854775809",
    b"1" * 5_000, b"1e" + b"1" * 5_000, b'"\\uD800"', b'"\\uDC00"', b'"\\uD800\\uD800"', b'"\\uDC00\\uD800"', b'"\\uD800a"', b'"\\ud83d\\u0041"',
    b'{"\\uD800":1}', b"[" * 200 + b"]" * 200, b"[" * 2_000 + b"]" * 2_000, b"[" * DEPTH + b"]" * DEPTH, b'{"a":' * DEPTH + b"1" + b"}" * DEPTH,
)  # fmt: skip
"""JSON by the letter, but beyond what every reader takes: too large, too deep, or half of a character."""
