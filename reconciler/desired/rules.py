"""The rules that a desired-state file is held to, by their stable names."""

from __future__ import annotations

from reconciler.model.problem import ProblemRule


class Rule(ProblemRule):
    """What is wrong with a file, or worth a look."""

    PATH_NOT_FOUND = ("path-not-found", "A PATH or a file that another one names does not exist")
    PATH_OUTSIDE_ROOT = (
        "path-outside-root",
        "A PATH or a file that another one names lies outside the project",
    )
    NO_DESIRED_STATE_FILE = (
        "no-desired-state-file",
        "A PATH holds no file that ends in .yaml or .yml",
    )
    UNREADABLE_FILE = ("unreadable-file", "A file or folder cannot be read")
    LFS_POINTER = ("lfs-pointer", "A Git LFS pointer stands in the place of a file")
    NOT_CHECKED_OUT = (
        "not-checked-out",
        "The work tree lacks or hides what git holds where files are read",
    )
    DELETED_UNCOMMITTED = (
        "deleted-uncommitted",
        "What git holds where files are read is deleted, and not in a commit",
    )
    GIT_NOT_KNOWN = ("git-not-known", "git could not be asked")
    STATE_REFUSED = (
        "state-refused",
        "The state folder came with the checkout, or leads out of itself",
    )
    STATE_NOT_IGNORED = ("state-not-ignored", "git does not ignore the state folder")
    NOT_UTF8 = ("not-utf8", "A file is not text in UTF-8")
    EMPTY_FILE = ("empty-file", "A file says nothing")
    YAML_SYNTAX = ("yaml-syntax", "A file is not valid YAML")
    SEVERAL_DOCUMENTS = ("several-documents", "A file holds more than one YAML document")
    NESTED_TOO_DEEP = ("nested-too-deep", "Collections lie more than 16 deep in one another")
    DUPLICATE_KEY = ("duplicate-key", "A key occurs twice in one mapping")
    KEY_NOT_TEXT = ("key-not-text", "A key is not plain text")
    ANCHOR = ("anchor", "A value has a YAML anchor")
    ALIAS = ("alias", "A value is a YAML alias")
    MERGE_KEY = ("merge-key", "A mapping merges another one")
    TAG = ("tag", "A value has a YAML tag")
    UNKNOWN_KEY = ("unknown-key", "A key does not belong where it stands")
    MISSING_KEY = ("missing-key", "A key that must be there is missing")
    CONFLICTING_KEYS = ("conflicting-keys", "Keys stand together that exclude each other")
    EMPTY_VALUE = ("empty-value", "A key is present and its value is empty")
    WRONG_TYPE = ("wrong-type", "A value is of another type than its key needs")
    INVALID_VALUE = ("invalid-value", "A text does not have the form that its key needs")
    NUMBER_OUT_OF_RANGE = ("number-out-of-range", "A number is too small or too large")
    UNKNOWN_REASON_CODE = ("unknown-reason-code", "A reason's code is not in DICOM CID 7031")
    UNSUPPORTED_VERSION = (
        "unsupported-version",
        "A file is of a format version that is not supported",
    )
    CHECK_STOPPED = ("check-stopped", "A file has so many problems that its check was stopped")
    MISSING_REASON = ("missing-reason", "A remove entry has no reason, and its file has no default")
    INVALID_UID = ("invalid-uid", "A text is not a DICOM UID")
    LEADING_ZERO = ("leading-zero", "A component of a UID has a leading zero")
    INVENTORY_HEADER = (
        "inventory-header",
        "An inventory's header is not the parameters of a study, a series or an instance",
    )
    INVENTORY_ROW = ("inventory-row", "A row of an inventory is malformed")
    INVENTORY_DIGEST = ("inventory-digest", "An inventory is not the file that was pinned")
    INVENTORY_COUNT = ("inventory-count", "An inventory has another number of rows than was pinned")
    INVENTORY_BOUND = (
        "inventory-bound",
        "An inventory has a column seen that the entry does not explain, or lacks it",
    )
    PSEUDONYM = ("pseudonym", "Pseudonyms are none, or may be of another key")
    SELECTOR_CHANGED = (
        "selector-changed",
        "A selector, or a file that it names, has changed since its list was resolved",
    )
    SELECTOR_PLACE = (
        "selector-place",
        "A selector lies outside selectors/, or two would have one list",
    )
    EXPORT_COLUMN = ("export-column", "An exported list lacks a column that was asked for")
    EXPORT_ROW = ("export-row", "A row of an exported list is malformed")
    EXPORT_IDENTIFIES = (
        "export-identifies",
        "A column of an exported list may say who a patient is",
    )
    CONTRADICTION = ("contradiction", "A remove lies wholly inside a keep")
    DUPLICATE_ENTRY = ("duplicate-entry", "The same thing is named twice")
    DIFFERENT_REASONS = ("different-reasons", "The same thing is removed for two reasons")
    DIFFERENT_ARCHIVES = ("different-archives", "The same thing is removed with two archives")
    ARCHIVE_IN_PROJECT = "archive-in-project", "An archive lies inside the project or its git tree"
    HOLD_OVERDUE = ("hold-overdue", "A hold is past its review, and holds all the same")
    TWO_ADDRESSES = ("two-addresses", "One SOP Instance UID is named at two addresses")
    SEVERAL_SERVICES = (
        "several-services",
        "The files that the PATHs select are about several services",
    )
    TWO_PROVIDERS = ("two-providers", "One store is named with two providers")


HIDES = frozenset(
    {Rule.UNREADABLE_FILE, Rule.LFS_POINTER, Rule.NOT_CHECKED_OUT, Rule.GIT_NOT_KNOWN}
)
"""What leaves open whether all keeps were read."""
