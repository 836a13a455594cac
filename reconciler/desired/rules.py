"""The rules that a desired-state file is held to, by their stable names."""

from __future__ import annotations

from enum import StrEnum


class Rule(StrEnum):
    """What a problem is about; the value is its name in messages and reports."""

    PATH_NOT_FOUND = "path-not-found"
    PATH_OUTSIDE_ROOT = "path-outside-root"
    NO_DESIRED_STATE_FILE = "no-desired-state-file"
    UNREADABLE_FILE = "unreadable-file"
    LFS_POINTER = "lfs-pointer"
    NOT_CHECKED_OUT = "not-checked-out"
    DELETED_UNCOMMITTED = "deleted-uncommitted"
    GIT_NOT_KNOWN = "git-not-known"
    STATE_REFUSED = "state-refused"
    STATE_NOT_IGNORED = "state-not-ignored"
    NOT_UTF8 = "not-utf8"
    EMPTY_FILE = "empty-file"
    YAML_SYNTAX = "yaml-syntax"
    SEVERAL_DOCUMENTS = "several-documents"
    NESTED_TOO_DEEP = "nested-too-deep"
    DUPLICATE_KEY = "duplicate-key"
    KEY_NOT_TEXT = "key-not-text"
    ANCHOR = "anchor"
    ALIAS = "alias"
    MERGE_KEY = "merge-key"
    TAG = "tag"
    UNKNOWN_KEY = "unknown-key"
    MISSING_KEY = "missing-key"
    CONFLICTING_KEYS = "conflicting-keys"
    EMPTY_VALUE = "empty-value"
    WRONG_TYPE = "wrong-type"
    INVALID_VALUE = "invalid-value"
    NUMBER_OUT_OF_RANGE = "number-out-of-range"
    UNKNOWN_REASON_CODE = "unknown-reason-code"
    UNSUPPORTED_VERSION = "unsupported-version"
    CHECK_STOPPED = "check-stopped"
    MISSING_REASON = "missing-reason"
    INVALID_UID = "invalid-uid"
    LEADING_ZERO = "leading-zero"
    INVENTORY_HEADER = "inventory-header"
    INVENTORY_ROW = "inventory-row"
    INVENTORY_DIGEST = "inventory-digest"
    INVENTORY_COUNT = "inventory-count"
    CONTRADICTION = "contradiction"
    DUPLICATE_ENTRY = "duplicate-entry"
    DIFFERENT_REASONS = "different-reasons"
    DIFFERENT_ARCHIVES = "different-archives"
    ARCHIVE_IN_PROJECT = "archive-in-project"
    TWO_ADDRESSES = "two-addresses"
    SEVERAL_SERVICES = "several-services"
    TWO_PROVIDERS = "two-providers"

    @property
    def meaning(self) -> str:
        """What breaking the rule means, in one line."""
        return _MEANINGS[self]


HIDES = frozenset(
    {Rule.UNREADABLE_FILE, Rule.LFS_POINTER, Rule.NOT_CHECKED_OUT, Rule.GIT_NOT_KNOWN}
)
"""What leaves open whether all keeps were read."""

_MEANINGS = {
    Rule.PATH_NOT_FOUND: "A PATH or a file that another one names does not exist",
    Rule.PATH_OUTSIDE_ROOT: "A PATH or a file that another one names lies outside the project",
    Rule.NO_DESIRED_STATE_FILE: "A PATH holds no file that ends in .yaml or .yml",
    Rule.UNREADABLE_FILE: "A file or folder cannot be read",
    Rule.LFS_POINTER: "A Git LFS pointer stands in the place of a file",
    Rule.NOT_CHECKED_OUT: "The work tree lacks or hides what git holds where files are read",
    Rule.DELETED_UNCOMMITTED: "What git holds where files are read is deleted, and not in a commit",
    Rule.GIT_NOT_KNOWN: "git could not be asked",
    Rule.STATE_REFUSED: "The state folder came with the checkout, or leads out of itself",
    Rule.STATE_NOT_IGNORED: "git does not ignore the state folder",
    Rule.NOT_UTF8: "A file is not text in UTF-8",
    Rule.EMPTY_FILE: "A file says nothing",
    Rule.YAML_SYNTAX: "A file is not valid YAML",
    Rule.SEVERAL_DOCUMENTS: "A file holds more than one YAML document",
    Rule.NESTED_TOO_DEEP: "Collections lie more than 16 deep in one another",
    Rule.DUPLICATE_KEY: "A key occurs twice in one mapping",
    Rule.KEY_NOT_TEXT: "A key is not plain text",
    Rule.ANCHOR: "A value has a YAML anchor",
    Rule.ALIAS: "A value is a YAML alias",
    Rule.MERGE_KEY: "A mapping merges another one",
    Rule.TAG: "A value has a YAML tag",
    Rule.UNKNOWN_KEY: "A key does not belong where it stands",
    Rule.MISSING_KEY: "A key that must be there is missing",
    Rule.CONFLICTING_KEYS: "Keys stand together that exclude each other",
    Rule.EMPTY_VALUE: "A key is present and its value is empty",
    Rule.WRONG_TYPE: "A value is of another type than its key needs",
    Rule.INVALID_VALUE: "A text does not have the form that its key needs",
    Rule.NUMBER_OUT_OF_RANGE: "A number is too small or too large",
    Rule.UNKNOWN_REASON_CODE: "A reason's code is not in DICOM CID 7031",
    Rule.UNSUPPORTED_VERSION: "A file is of a format version that is not supported",
    Rule.CHECK_STOPPED: "A file has so many problems that its check was stopped",
    Rule.MISSING_REASON: "A remove entry has no reason, and its file has no default",
    Rule.INVALID_UID: "A text is not a DICOM UID",
    Rule.LEADING_ZERO: "A component of a UID has a leading zero",
    Rule.INVENTORY_HEADER: "An inventory's header is not the three parameters of an instance",
    Rule.INVENTORY_ROW: "A row of an inventory is malformed",
    Rule.INVENTORY_DIGEST: "An inventory is not the file that was pinned",
    Rule.INVENTORY_COUNT: "An inventory has another number of rows than was pinned",
    Rule.CONTRADICTION: "A remove lies wholly inside a keep",
    Rule.DUPLICATE_ENTRY: "The same thing is named twice",
    Rule.DIFFERENT_REASONS: "The same thing is removed for two reasons",
    Rule.DIFFERENT_ARCHIVES: "The same thing is removed with two archives",
    Rule.ARCHIVE_IN_PROJECT: "An archive lies inside the project or its git tree",
    Rule.TWO_ADDRESSES: "One SOP Instance UID is named at two addresses",
    Rule.SEVERAL_SERVICES: "The files that the PATHs select are about several services",
    Rule.TWO_PROVIDERS: "One store is named with two providers",
}
