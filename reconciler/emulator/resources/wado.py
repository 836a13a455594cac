"""RetrieveInstance, RetrieveSeries, RetrieveStudy and their metadata (PS3.18 section 10.4)."""

from __future__ import annotations

from reconciler.emulator.call import Call
from reconciler.emulator.http.answer import (
    ApiError,
    FilePiece,
    Part,
    Response,
    json_answer,
    multipart_answer,
)
from reconciler.emulator.http.negotiation import Form, accepts, chosen_form
from reconciler.emulator.storage.index import StoredInstance

_INSTANCE_UIDS = 3


async def retrieve(call: Call) -> Response:
    """Answer the files of an instance, a series or a study as they are stored."""
    instances = call.instances()
    forms = {_form(call, instance) for instance in instances}
    parts = [_part(call, instance) for instance in instances]
    if forms == {Form.SINGLE_PART}:
        ((content_type, pieces),) = parts
        return Response(200, content_type, pieces)
    return multipart_answer("application/dicom", parts)


def _form(call: Call, instance: StoredInstance) -> Form:
    single = len(call.path.uids) == _INSTANCE_UIDS
    form = chosen_form(call.accept, instance.transfer_syntax_uid, single=single)
    if form is None:
        stored = instance.transfer_syntax_uid
        raise ApiError(
            406,
            "None of the accepted media types is available. Instances are not transcoded:"
            f" accept 'transfer-syntax={stored}' or 'transfer-syntax=*'.",
        )
    return form


def _part(call: Call, instance: StoredInstance) -> Part:
    content_type = f"application/dicom; transfer-syntax={instance.transfer_syntax_uid}"
    return content_type, (FilePiece(call.file(instance), instance.size),)


async def retrieve_metadata(call: Call) -> Response:
    """Answer the metadata of an instance, or of all instances of a series or study."""
    if not accepts(call.accept, "application/dicom+json", "application/json"):
        raise ApiError(406, "Metadata is available as application/dicom+json only.")
    index = call.service.storage.index
    texts = [index.metadata(instance.number) for instance in call.instances()]
    return call.datasets(texts)


async def storage_info(call: Call) -> Response:
    """Answer where and how large an instance is stored; no patient data."""
    instance = call.only_instance()
    metadata = call.service.storage.index.metadata(instance.number)
    return json_answer(
        {
            "referencedResource": f"{call.path.store}/dicomWeb{instance.address}",
            "blobStorageInfo": {"sizeBytes": str(instance.size), "storageClass": "STANDARD"},
            "structuredStorageInfo": {"sizeBytes": str(len(metadata.encode()))},
        }
    )
