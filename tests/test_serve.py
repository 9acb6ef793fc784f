"""`asr-serve` with real clients: openai, websockets with Vosk's messages, wyoming."""

import asyncio
import json
import shutil
import signal
import socket
import subprocess
import threading

import numpy as np
import pytest

for package in ("av", "httpx", "openai", "starlette", "uvicorn", "websockets", "wyoming"):
    pytest.importorskip(package)

import httpx
import openai
from conftest import speak_digits
from serving import COMMAND, serving
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from asr import audio
from asr.audio import foreign
from asr.errors import UserError
from asr.modelfile.locate import SHIPPED
from asr.recognition.live import LiveConfig
from asr.recognition.recognizer import Recognizer

WORDS = "one two three four five six seven eight nine zero".split()
SENTENCES = """
language: en
intents:
  Light:
    data:
      - sentences: ["light {number}"]
lists:
  number:
    values: [one, two, three]
"""


@pytest.fixture(scope="module")
def spoken():
    """Three digits at 16 kHz: (num_samples,), with pauses of a second and more."""
    return speak_digits(1.375)


@pytest.fixture(scope="module")
def sound(spoken, tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "digits.wav"
    audio.write(path, spoken, 16000)
    return path


@pytest.fixture(scope="module")
def pcm(sound):
    return np.round(audio.read(sound) * 32768).astype("<i2")


@pytest.fixture(scope="module")
def recognizer(lexicon):
    from asr.decode.decoder import DecoderConfig

    return Recognizer.load(decoding=DecoderConfig(lexicon=lexicon))


@pytest.fixture(scope="module")
def expected(recognizer, sound):
    return recognizer.transcribe(sound)


@pytest.fixture(scope="module")
def lexicon(tmp_path_factory):
    path = tmp_path_factory.mktemp("words") / "words.txt"
    path.write_text("\n".join(WORDS))
    return path


@pytest.fixture(scope="module")
def server(lexicon):
    options = ["--model", "digits", "--model", f"other={SHIPPED}", "--lexicon", str(lexicon), "--wyoming", "0"]
    with serving(*options, "--max-mb", "3", "--max-seconds", "30") as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as made:
        yield made


class TestOpenAI:
    def test_formats(self, client, sound, expected):
        transcribe = client.audio.transcriptions.create
        assert transcribe(file=sound, model="digits").text == expected.text
        assert transcribe(file=sound, model="whisper-1", language="en", prompt="digits").text == expected.text
        assert transcribe(file=sound, model="other", response_format="text").strip() == expected.text
        assert "-->" in transcribe(file=sound, model="digits", response_format="srt")
        assert transcribe(file=sound, model="digits", response_format="vtt").startswith("WEBVTT")

    def test_words_and_segments(self, client, sound, expected):
        made = client.audio.transcriptions.create(
            file=sound, model="digits", response_format="verbose_json", timestamp_granularities=["word", "segment"]
        )
        assert [(word.word, word.start, word.end) for word in made.words] == [
            (word.text, word.start_s, word.end_s) for word in expected.words
        ]
        assert [word.confidence for word in made.words] == [word.confidence for word in expected.words]
        assert float(made.duration) == pytest.approx(expected.duration_s)
        assert " ".join(segment.text for segment in made.segments) == expected.text

    def test_a_stream(self, client, sound, expected):
        events = list(client.audio.transcriptions.create(file=sound, model="digits", stream=True))
        assert "".join(event.delta for event in events[:-1]) == events[-1].text == expected.text
        assert events[-1].type == "transcript.text.done"

    def test_models(self, client):
        assert [model.id for model in client.models.list()] == ["digits", "other"]

    def test_mistakes_are_one_sentence(self, client, server, sound, tmp_path):
        transcribe = client.audio.transcriptions.create
        with pytest.raises(openai.NotFoundError, match=r"no model 'x'; there are digits, other"):
            transcribe(file=sound, model="x")
        for data, message in (
            (b"", "empty"),
            (b"no sound at all", "not a sound file"),
            (b"\x1a\x45\xdf\xa3" * 9, "damaged"),
        ):
            with pytest.raises(openai.BadRequestError, match=message):
                transcribe(file=("x.webm", data), model="digits")
        with pytest.raises(openai.APIStatusError, match="larger than the 3 MB") as raised:
            transcribe(file=("x.wav", bytes(3_100_000)), model="digits")
        assert raised.value.status_code == 413
        audio.write(tmp_path / "long.wav", np.zeros(31 * 8000, np.float32), 8000)
        with pytest.raises(openai.APIStatusError, match="longer than the 30 s"):
            transcribe(file=tmp_path / "long.wav", model="digits")
        assert httpx.post(f"{server.url}/v1/audio/transcriptions").json()["error"]["message"].startswith("send a sound")
        files = {"file": sound.read_bytes()}
        for field, value in (("response_format", "xml"), ("timestamp_granularities[]", "letter")):
            answer = httpx.post(f"{server.url}/v1/audio/transcriptions", files=files, data={field: value})
            assert answer.status_code == 400 and field in answer.json()["error"]["message"]

    def test_a_body_that_grows_past_the_limit_is_refused(self, server):
        def endless():
            head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
            yield head
            for _ in range(60):
                yield bytes(100_000)

        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = httpx.post(f"{server.url}/v1/audio/transcriptions", content=endless(), headers=headers)
        assert answer.status_code == 413

    @pytest.mark.parametrize(("container", "codec"), [("webm", "libopus"), ("ogg", "libopus"), ("mp4", "aac")])
    def test_what_browsers_record(self, client, spoken, expected, tmp_path, container, codec):
        av = pytest.importorskip("av")
        path = tmp_path / f"x.{container}"
        with av.open(str(path), "w", format=container) as file:
            stream = file.add_stream(codec, rate=48000, layout="mono")
            samples = (audio.resample(spoken, 16000, 48000)[None] * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
            frame.sample_rate = 48000
            for part in [*(packet for packet in stream.encode(frame)), *stream.encode(None)]:
                file.mux(part)
        assert foreign.is_foreign(path.read_bytes()) == (container != "ogg")
        assert client.audio.transcriptions.create(file=path, model="digits").text == expected.text


class TestVosk:
    def speak(self, url, pcm, config=None, size=4000, **options):
        """As the client of vosk-server does: a block, a reply."""
        replies = []
        with connect(url.replace("http", "ws"), **options) as socket:
            if config is not None:
                socket.send(json.dumps({"config": config}))
            for start in range(0, len(pcm), size):
                socket.send(pcm[start : start + size].tobytes())
                replies.append(json.loads(socket.recv()))
            socket.send('{"eof" : 1}')
            replies.append(json.loads(socket.recv()))
            with pytest.raises(ConnectionClosed):
                socket.recv()
        return replies

    def test_a_stream(self, server, pcm, recognizer):
        replies = self.speak(server.url, pcm, {"sample_rate": 16000})
        whole = LiveConfig().of(recognizer).transcribe(pcm.astype(np.int16), 16000)
        assert " ".join(reply["text"] for reply in replies if reply.get("text")) == whole.text
        words = [word for reply in replies for word in reply.get("result", ())]
        assert [word["word"] for word in words] == [word.text for word in whole.words]
        for word, same in zip(words, whole.words, strict=True):
            assert abs(word["start"] - same.start_s) < 0.03 and abs(word["end"] - same.end_s) < 0.03
            assert 0 <= word["conf"] <= 1
        assert any(reply.get("partial") for reply in replies) and "letters" not in replies[0]

    def test_letters_and_halves_of_samples(self, server, pcm):
        config = {"sample_rate": 16000, "letters": True, "words": False}
        texts = {}
        for odd in (0, 1):
            data = np.frombuffer(pcm.tobytes(), np.uint8)
            replies = self.speak(server.url, data, config, 8000 + odd)
            texts[odd] = [reply["text"] for reply in replies if reply.get("text")]
            letters = [reply for reply in replies if reply.get("letters")]
            assert letters and all(
                times == sorted(times) for times in [[time for _, time in one["letters"]] for one in letters]
            )
            assert not any("result" in reply for reply in replies)
        assert texts[0] == texts[1]

    @pytest.mark.parametrize(
        ("message", "reason"),
        [
            ('{"config": {"sample_rate": 3}}', "sample_rate"),
            ('{"config": []}', "config"),
            ("hello", "JSON"),
            ("{}", "eof"),
            (bytes(1_100_000), "larger"),
        ],
    )
    def test_mistakes_end_the_stream_with_a_sentence(self, server, message, reason):
        with connect(server.url.replace("http", "ws")) as socket:
            socket.send(message)
            assert reason in json.loads(socket.recv())["error"]
            with pytest.raises(ConnectionClosed) as raised:
                socket.recv()
            assert raised.value.rcvd.code == 1007 and reason in raised.value.rcvd.reason

    def test_a_client_that_vanishes_leaves_nothing(self, server, pcm):
        for _ in range(5):
            with connect(server.url.replace("http", "ws")) as socket:
                socket.send(pcm[:8000].tobytes())
                socket.socket.shutdown(socket.socket.SHUT_RDWR) if hasattr(socket.socket, "SHUT_RDWR") else None
        for _ in range(100):
            text = httpx.get(f"{server.url}/metrics").text
            if "asr_open_streams 0.0" in text:
                break
        assert "asr_open_streams 0.0" in text


class TestWyoming:
    def talk(self, port, *events):
        from wyoming.client import AsyncTcpClient

        async def run():
            found = []
            async with AsyncTcpClient("127.0.0.1", port) as client:
                for event in events:
                    await client.write_event(event.event())
                while event := await asyncio.wait_for(client.read_event(), 20):
                    found.append(event)
                    if event.type in ("info", "transcript", "error", "not-detected", "pong"):
                        return found
            return found

        return asyncio.run(run())

    def sound(self, pcm):
        from wyoming.audio import AudioChunk, AudioStart, AudioStop

        yield AudioStart(rate=16000, width=2, channels=1)
        for start in range(0, len(pcm), 1024):
            yield AudioChunk(rate=16000, width=2, channels=1, audio=pcm[start : start + 1024].tobytes())
        yield AudioStop()

    def test_it_describes_itself(self, server):
        from wyoming.info import Describe, Info

        info = Info.from_event(self.talk(server.wyoming, Describe())[-1])
        assert [model.name for model in info.asr[0].models] == ["digits", "other"]
        assert {model.name for model in info.wake[0].models} == set(WORDS)

    def test_it_transcribes(self, server, pcm, recognizer):
        from wyoming.asr import Transcribe, Transcript

        whole = LiveConfig().of(recognizer).transcribe(pcm.astype(np.int16), 16000)
        for name in (None, "other", "of-another-server"):
            last = self.talk(server.wyoming, Transcribe(name=name, language="en"), *self.sound(pcm))[-1]
            assert Transcript.from_event(last).text == whole.text

    def test_it_detects_a_word(self, server, pcm):
        from wyoming.wake import Detect, Detection

        found = self.talk(
            server.wyoming, Detect(names=["two"]), *self.sound(pcm), Detect(names=["zero"]), *self.sound(pcm)
        )
        assert [Detection.from_event(event).name for event in found if event.type == "detection"] == ["two"]
        assert found[-1].type == "not-detected"

    def test_nonsense_ends_the_connection(self, server):
        with socket.create_connection(("127.0.0.1", server.wyoming), 10) as raw:
            raw.sendall(b'{"type": "audio-chunk", "data": {"rate": "x"}}\n')
            assert b"error" in raw.recv(1000) or not raw.recv(10)


class TestAround:
    def test_health_metrics_and_openapi(self, server, client, sound):
        client.audio.transcriptions.create(file=sound, model="digits")
        assert httpx.get(f"{server.url}/health").json()["models"] == ["digits", "other"]
        metrics = httpx.get(f"{server.url}/metrics").text
        assert 'asr_requests_total{path="/v1/audio/transcriptions",status="200"}' in metrics
        assert "asr_recognition_seconds_bucket" in metrics
        document = httpx.get(f"{server.url}/openapi.json").json()
        assert document["openapi"].startswith("3.") and set(document["paths"]) >= {"/v1/audio/transcriptions"}

    def test_what_a_model_knows(self, server):
        known = httpx.get(f"{server.url}/v1/sentences").json()
        assert [item["text"] for item in known["sentences"]] == WORDS
        assert httpx.get(f"{server.url}/v1/sentences", params={"model": "x"}).status_code == 404

    def test_pages_of_other_sites_may_not(self, server, sound):
        headers = {"Origin": "https://elsewhere.example"}
        answer = httpx.post(f"{server.url}/v1/audio/transcriptions", headers=headers)
        assert answer.status_code == 403
        with pytest.raises(InvalidStatus) as raised:
            connect(server.url.replace("http", "ws"), origin="https://elsewhere.example").__enter__()
        assert raised.value.response.status_code == 403

    def test_headers_of_the_page(self, server):
        answer = httpx.get(server.url)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert (
            "<script>" not in answer.text
            and " style=" not in answer.text
            and "http" not in answer.text.replace("http-equiv", "")
        )


def test_a_token_limits_and_a_new_model(sound, pcm, tmp_path, lexicon):
    """One server with a token, one stream, and a model file that is replaced while requests run."""
    model = tmp_path / "mine.onnx"
    shutil.copy(SHIPPED, model)
    with serving("--model", str(model), "--token", "secret", "--max-streams", "1") as running:
        with (
            pytest.raises(openai.AuthenticationError),
            openai.OpenAI(base_url=f"{running.url}/v1", api_key="wrong", max_retries=0) as stranger,
        ):
            stranger.models.list()
        assert httpx.get(f"{running.url}/health").status_code == httpx.get(running.url).status_code == 200
        address = running.url.replace("http", "ws")
        with pytest.raises(InvalidStatus) as raised:
            connect(address).__enter__()
        assert raised.value.response.status_code == 401
        with connect(address, subprotocols=["asr", "token.secret"]) as first:
            first.send(pcm[:1600].tobytes())
            assert "partial" in first.recv()
            with connect(address, additional_headers={"Authorization": "Bearer secret"}) as second:
                assert "try again later" in second.recv()
        client = openai.OpenAI(base_url=f"{running.url}/v1", api_key="secret", max_retries=0)
        texts, errors = [], []

        def ask():
            for _ in range(8):
                try:
                    texts.append(client.audio.transcriptions.create(file=sound, model="mine").text)
                except Exception as error:
                    errors.append(error)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(4):
            new = tmp_path / f"new{number}.onnx"
            new.write_bytes(b"broken" if number == 1 else SHIPPED.read_bytes())
            new.replace(model)
        for thread in threads:
            thread.join()
        client.audio.transcriptions.create(file=sound, model="mine")
        running.wait_for("loaded again")
        assert not errors and len(texts) == 24 and len(set(texts)) == 1


def test_too_many_at_once_are_told_to_wait(tmp_path):
    audio.write(
        tmp_path / "long.wav", np.random.default_rng(0).standard_normal(60 * 16000).astype(np.float32) * 0.1, 16000
    )
    data, statuses = (tmp_path / "long.wav").read_bytes(), []
    with serving("--model", "digits", "--threads", "1", "--max-waiting", "1") as running:

        def ask():
            answer = httpx.post(f"{running.url}/v1/audio/transcriptions", files={"file": data}, timeout=60)
            statuses.append((answer.status_code, answer.headers.get("retry-after")))

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (200, None) in statuses and (429, "1") in statuses and len(statuses) == 6


def test_the_end_waits_for_what_is_held(tmp_path):
    audio.write(
        tmp_path / "long.wav", np.random.default_rng(0).standard_normal(120 * 16000).astype(np.float32) * 0.1, 16000
    )
    data, answers = (tmp_path / "long.wav").read_bytes(), []
    with serving("--model", "digits", "--max-mb", "200") as running:
        thread = threading.Thread(
            target=lambda: answers.append(
                httpx.post(f"{running.url}/v1/audio/transcriptions", files={"file": data}, timeout=60).status_code
            )
        )
        thread.start()
        for _ in range(1000):
            if "asr_waiting_requests 1.0" in httpx.get(f"{running.url}/metrics").text or answers:
                break
        running.process.send_signal(signal.SIGTERM)
        thread.join()
        assert running.process.wait(30) == 0
    assert answers == [200] and not any("Traceback" in line for line in running.lines)


def test_the_end_gives_streams_what_was_spoken_and_waits_for_nobody(pcm, lexicon):
    """A stream that has not ended, of each protocol, a client that answers nothing, and connections left open."""
    from wyoming.asr import Transcript
    from wyoming.audio import AudioChunk, AudioStart
    from wyoming.client import AsyncTcpClient
    from wyoming.ping import Ping, Pong

    async def wyoming(port):
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(AudioStart(16000, 2, 1).event())
            await client.write_event(AudioChunk(16000, 2, 1, pcm[:-16000].tobytes()).event())
            await client.write_event(Ping(text="read").event())
            while not Pong.is_type((await client.read_event()).type):
                pass
            running.process.send_signal(signal.SIGTERM)
            while not Transcript.is_type((event := await client.read_event()).type):
                pass
            return Transcript.from_event(event).text

    with serving("--model", "digits", "--lexicon", str(lexicon), "--wyoming", "0") as running:
        url = running.url.replace("http", "ws")
        silent = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(2)]
        silent[1].sendall(
            b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        with httpx.Client() as kept, connect(url) as stream:
            kept.get(f"{running.url}/health")
            stream.send(pcm[:-16000].tobytes())  # cut before the pause that would end its last word
            first = json.loads(stream.recv())["text"]
            said = asyncio.run(wyoming(running.wyoming))
            last = json.loads(stream.recv())["text"]
            with pytest.raises(ConnectionClosed) as closed:
                stream.recv()
            assert running.process.wait(20) == 0  # not the 30 s that a recording is given
        assert closed.value.rcvd.code == 1001 and last and said.split()[-1] == last and said == f"{first} {last}"
        for one in silent:
            one.close()
    assert not any("Traceback" in line or "Cancel" in line for line in running.lines)


def test_mistakes_at_the_start():
    for options, message in (
        (["--model", "gone.onnx"], "no such model"),
        (["--model", "digits", "--model", "x/digits.onnx"], "another model is called digits"),
        (["--model", "digits", "--max-mb", "0"], "max_mb must be above 0"),
    ):
        done = subprocess.run([*COMMAND, *options], capture_output=True, text=True)
        assert done.returncode == 2 and message in done.stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run([*COMMAND, "--model", "digits", "--port", port], capture_output=True, text=True)
        assert done.returncode == 2 and "choose another --port" in done.stderr


def test_a_file_that_is_replaced_while_a_broken_one_is_read_is_loaded_next(tmp_path, monkeypatch):
    """What was seen of a file that fails is what it was before it was read."""
    from asr.serve import models

    path = tmp_path / "mine.onnx"
    shutil.copy(SHIPPED, path)
    known, load = models.Models({"mine": path}), models.Recognizer.load

    def fails(read, **_options):
        shutil.copy(SHIPPED, tmp_path / "new.onnx")
        (tmp_path / "new.onnx").replace(path)
        raise UserError(f"{read}: damaged")

    path.write_bytes(b"broken")
    monkeypatch.setattr(models.Recognizer, "load", fails)
    old = known.get("mine")
    monkeypatch.setattr(models.Recognizer, "load", load)
    assert known.get("mine") is not old
