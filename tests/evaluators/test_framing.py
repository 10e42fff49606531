import io
import struct

import numpy as np
import pytest

from evaluators.frames import MAGIC, BrokenMessage
from evaluators.framing import encode_message, read_message


def reader(data: bytes):
    stream = io.BytesIO(data)

    def read_exactly(size: int) -> bytes:
        part = stream.read(size)
        if len(part) < size:
            raise EOFError
        return part

    return read_exactly


def test_a_message_comes_back_as_it_went():
    arrays = [np.arange(6, dtype=np.int8).reshape(2, 3), np.float32([[0.5]]), np.int64(7)]
    message = read_message(reader(encode_message({"kind": "x", "n": [1, None]}, arrays)))
    assert message.body == {"kind": "x", "n": [1, None]}
    for sent, came in zip(arrays, message.arrays, strict=True):
        assert came.dtype == np.asarray(sent).dtype
        np.testing.assert_array_equal(came, sent)


def test_two_messages_in_a_row_are_kept_apart():
    read = reader(encode_message({"n": 1}) + encode_message({"n": 2}))
    assert [read_message(read).body["n"] for _ in range(2)] == [1, 2]


def test_a_message_cut_anywhere_is_the_end_of_the_stream():
    whole = encode_message({"n": 1}, [np.zeros(3)])
    for length in range(len(whole)):
        with pytest.raises(EOFError):
            read_message(reader(whole[:length]))


def test_rubbish_is_refused():
    with pytest.raises(BrokenMessage, match="must start with b'EIS1', but got b'Segm'"):
        read_message(reader(b"Segmentation fault"))


def test_a_header_that_is_no_json_is_refused():
    with pytest.raises(BrokenMessage, match="header must be JSON"):
        read_message(reader(MAGIC + struct.pack(">I", 3) + b"abc"))


def test_an_array_of_objects_is_refused_because_reading_it_would_unpickle():
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    payload = buffer.getvalue()
    header = b'{"body": {}, "arrays": 1}'
    framed = MAGIC + struct.pack(">I", len(header)) + header + struct.pack(">Q", len(payload))
    with pytest.raises(BrokenMessage, match=r"must be a \.npy without objects"):
        read_message(reader(framed + payload))


def test_an_announced_size_beyond_the_limit_is_refused_before_it_is_read():
    header = b'{"body": {}, "arrays": 1}'
    framed = MAGIC + struct.pack(">I", len(header)) + header + struct.pack(">Q", 2**60)
    with pytest.raises(BrokenMessage, match="over the limit"):
        read_message(reader(framed))


def test_an_object_array_is_never_sent():
    with pytest.raises(ValueError, match="allow_pickle"):
        encode_message({}, [np.array([object()])])
