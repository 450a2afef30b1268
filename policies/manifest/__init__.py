"""Manifests: what a source is and under which policy it stands, as configuration that refuses to load half-said."""

from policies.manifest.clauses import Pattern, Policy, Redaction
from policies.manifest.reader import check, json_schema, load, parse, read_text
from policies.manifest.source import Source

__all__ = ["Pattern", "Policy", "Redaction", "Source", "check", "json_schema", "load", "parse", "read_text"]
