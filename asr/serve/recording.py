"""/v1/record: what the page needs to record one's own words and to train on them."""

import json
from pathlib import Path
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from asr.data import manifest
from asr.decode.decoder import DecoderConfig
from asr.errors import UserError
from asr.serve import replies
from asr.serve.config import RecordConfig
from asr.serve.models import Models
from asr.serve.own import MIN_TAKES, Training
from asr.serve.takes import Takes
from asr.serve.work import Work

OWN = "own"
"""The name of the model that is trained here."""
_MAX_BYTES = 1 << 23  # of a take: 20 s at 192 kHz
_MAX_JSON = 1 << 16
_MAX_TRIED = 100


class Recording:
    """The endpoints, over a folder of takes."""

    def __init__(self, config: RecordConfig, models: Models, work: Work) -> None:
        """Raises UserError where the folder cannot be made."""
        self._takes, self._models, self._work = Takes(config.folder), models, work
        self.training = Training(config, self._takes, self._trained)

    def routes(self) -> list[Route]:
        """Below /v1/record."""
        return [
            Route("/v1/record", self._overview, methods=["GET"]),
            Route("/v1/record/prompts", self._set_prompts, methods=["PUT"]),
            Route("/v1/record/takes", self._add, methods=["POST"]),
            Route("/v1/record/takes/{speaker}/{name}", self._remove, methods=["DELETE"]),
            Route("/v1/record/training", self._train, methods=["POST", "DELETE"]),
        ]

    async def _trained(self, run: Path, prompts: list[str], tested: Path) -> list[dict[str, str]]:
        """Serve the new model -> references and hypotheses of the recordings that it is tested on."""

        def tried() -> list[dict[str, str]]:
            self._models.add(OWN, run, DecoderConfig(lexicon=prompts))
            recognizer = self._models.get(OWN)
            spoken = [(one.text, one.audio) for one in manifest.read(tested) if one.audio][:_MAX_TRIED]
            return [{"said": text, "recognised": recognizer.transcribe(sound).text} for text, sound in spoken]

        return await self._work.block(tried)

    async def _overview(self, _request: Request) -> Response:
        return await self._shown()

    async def _shown(self, **more: Any) -> Response:
        """All that there is: prompts, how many takes of each by speaker, and the training."""
        counts = await self._work.block(self._takes.counts)
        prompts = [
            {"text": text, "takes": {speaker: found[text] for speaker, found in counts.items() if found[text]}}
            for text in self._takes.prompts
        ]
        overview = {"prompts": prompts, "min_takes": MIN_TAKES, "training": self.training.state(), "model": OWN}
        return JSONResponse({**overview, **more})

    async def _set_prompts(self, request: Request) -> Response:
        try:
            body = bytearray()
            async for part in request.stream():
                body += part
                if len(body) > _MAX_JSON:
                    return replies.error(413, "the prompts are too long")
            values = json.loads(body)
            await self._work.block(lambda: self._takes.set_prompts(values.get("prompts")))
        except (ValueError, AttributeError, RecursionError):
            return replies.error(400, 'send {"prompts": [...]}')
        except UserError as error:
            return replies.error(400, str(error), param="prompts")
        return await self._shown()

    async def _add(self, request: Request) -> Response:
        if int(request.headers.get("content-length", _MAX_BYTES + 1)) > _MAX_BYTES:
            return replies.error(413, "a take is larger than this server takes, or does not say its length")
        try:
            async with request.form(max_files=1, max_fields=5) as form:
                file, speaker, text = form.get("file"), str(form.get("speaker", "")), str(form.get("text", ""))
                if not isinstance(file, UploadFile):
                    return replies.error(400, "send a WAV file as `file`", param="file")
                data = await file.read()
            take = await self._work.block(lambda: self._takes.add(data, speaker, text))
        except HTTPException as error:
            return replies.error(error.status_code, f"the form cannot be read: {error.detail}")
        except UserError as error:
            return replies.error(400, str(error))
        return await self._shown(take=vars(take))

    async def _remove(self, request: Request) -> Response:
        speaker, name = request.path_params["speaker"], request.path_params["name"]
        try:
            await self._work.block(lambda: self._takes.remove(speaker, name))
        except UserError as error:
            return replies.error(404, str(error))
        return await self._shown()

    async def _train(self, request: Request) -> Response:
        try:
            await (self.training.start() if request.method == "POST" else self.training.stop())
        except UserError as error:
            return replies.error(409, str(error))
        return await self._shown()
