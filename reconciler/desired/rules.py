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
    LFS_POINTER = ("lfs-pointer", "A file is a Git LFS pointer, not its content")
    NOT_CHECKED_OUT = (
        "not-checked-out",
        "The work tree lacks or hides a file that git has",
    )
    DELETED_UNCOMMITTED = (
        "deleted-uncommitted",
        "A file that git has is deleted without a commit",
    )
    GIT_NOT_KNOWN = ("git-not-known", "git failed or is not available")
    STATE_REFUSED = (
        "state-refused",
        "The state folder came with the checkout, or a link in it leads elsewhere",
    )
    STATE_NOT_IGNORED = ("state-not-ignored", "git does not ignore the state folder")
    NOT_UTF8 = ("not-utf8", "A file is not text in UTF-8")
    EMPTY_FILE = ("empty-file", "A file is empty")
    YAML_SYNTAX = ("yaml-syntax", "A file is not valid YAML")
    SEVERAL_DOCUMENTS = ("several-documents", "A file holds more than one YAML document")
    NESTED_TOO_DEEP = ("nested-too-deep", "Collections are nested more than 16 levels deep")
    DUPLICATE_KEY = ("duplicate-key", "A key occurs twice in one mapping")
    KEY_NOT_TEXT = ("key-not-text", "A key is not plain text")
    ANCHOR = ("anchor", "A value has a YAML anchor")
    ALIAS = ("alias", "A value is a YAML alias")
    MERGE_KEY = ("merge-key", "A mapping merges another one")
    TAG = ("tag", "A value has a YAML tag")
    UNKNOWN_KEY = ("unknown-key", "A key is not allowed here")
    MISSING_KEY = ("missing-key", "A required key is missing")
    CONFLICTING_KEYS = ("conflicting-keys", "Keys exclude each other")
    EMPTY_VALUE = ("empty-value", "A key has an empty value")
    WRONG_TYPE = ("wrong-type", "A value has the wrong type")
    INVALID_VALUE = ("invalid-value", "A value does not have the required format")
    NUMBER_OUT_OF_RANGE = ("number-out-of-range", "A number is too small or too large")
    UNKNOWN_REASON_CODE = ("unknown-reason-code", "A reason's code is not in DICOM CID 7031")
    UNSUPPORTED_VERSION = (
        "unsupported-version",
        "A file has an unsupported format version",
    )
    CHECK_STOPPED = ("check-stopped", "A file has too many problems; its check was stopped")
    MISSING_REASON = ("missing-reason", "A remove entry has no reason, and its file has no default")
    INVALID_UID = ("invalid-uid", "A text is not a DICOM UID")
    LEADING_ZERO = ("leading-zero", "A component of a UID has a leading zero")
    INVENTORY_HEADER = (
        "inventory-header",
        "An inventory's header has other columns than its level requires",
    )
    INVENTORY_ROW = ("inventory-row", "A row of an inventory is malformed")
    INVENTORY_DIGEST = ("inventory-digest", "An inventory does not match its SHA-256")
    INVENTORY_COUNT = ("inventory-count", "An inventory does not match its count of rows")
    INVENTORY_BOUND = (
        "inventory-bound",
        "An inventory has a column seen and its entry no bind, or the other way round",
    )
    PSEUDONYM = ("pseudonym", "A pseudonym is malformed, or may be of another key")
    SELECTOR_CHANGED = (
        "selector-changed",
        "A selector, or a file that it names, has changed since its list was resolved",
    )
    SELECTOR_PLACE = (
        "selector-place",
        "A selector is outside selectors/, or two selectors have the same list",
    )
    EXPORT_COLUMN = ("export-column", "An exported list lacks a requested column")
    EXPORT_ROW = ("export-row", "A row of an exported list is malformed")
    EXPORT_IDENTIFIES = (
        "export-identifies",
        "A column of an exported list may identify a patient",
    )
    CONTRADICTION = ("contradiction", "A remove is entirely inside a keep")
    DUPLICATE_ENTRY = ("duplicate-entry", "Two entries name the same thing")
    DIFFERENT_REASONS = ("different-reasons", "The same thing is removed for two reasons")
    DIFFERENT_ARCHIVES = ("different-archives", "The same thing is removed with two archives")
    ARCHIVE_IN_PROJECT = "archive-in-project", "An archive is inside the project or its git tree"
    HOLD_OVERDUE = ("hold-overdue", "A hold is past its review date; it still applies")
    TWO_ADDRESSES = ("two-addresses", "One SOP Instance UID is named at two addresses")
    SEVERAL_SERVICES = (
        "several-services",
        "The files at the PATHs have stores of several services",
    )
    TWO_PROVIDERS = ("two-providers", "One store is named with two providers")


HIDES = frozenset(
    {Rule.UNREADABLE_FILE, Rule.LFS_POINTER, Rule.NOT_CHECKED_OUT, Rule.GIT_NOT_KNOWN}
)
"""What leaves open whether all keeps were read."""
