"""What putting a manifest in place of another would change, before anybody does it."""

from dataclasses import dataclass

from policies.manifest import Source


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldChange:
    """One key of the manifest, dotted, with its values as JSON. None where the key is absent on that side."""

    key: str
    before: object
    after: object


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Every key that changes, in the manifest's order. Empty where the two mean the same."""

    changes: tuple[FieldChange, ...]

    def touches(self, section: str) -> bool:
        """Whether a key of the section, such as `policy.retention`, changes."""
        return any(change.key == section or change.key.startswith(f"{section}.") for change in self.changes)

    @property
    def needs_rebuild(self) -> bool:
        """Whether the visibility classes change, so that a new generation must be laid out."""
        return self.touches("policy.access")

    @property
    def needs_reingest(self) -> bool:
        """Whether every document must be read again, because what is stored was redacted otherwise."""
        return self.touches("policy.redaction")


def changes(old: Source | None, new: Source) -> Plan:
    """What `new` changes against `old`, or against nothing where the source is not registered yet."""
    before = {} if old is None else _flat(old.model_dump(mode="json"))
    after = _flat(new.model_dump(mode="json"))
    return Plan(
        changes=tuple(
            FieldChange(key=key, before=before.get(key), after=after.get(key))
            for key in dict.fromkeys([*after, *before])
            if before.get(key) != after.get(key)
        )
    )


def _flat(values: dict[str, object], above: str = "") -> dict[str, object]:
    """Mappings written out as dotted keys; lists stay whole."""
    flat: dict[str, object] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return flat
