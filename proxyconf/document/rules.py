"""Every kind of finding, once: its id, how severe it is, and what `proxyconf explain` says about it."""

from __future__ import annotations

from enum import Enum, StrEnum

__all__ = ["Level", "Rule"]


class Level(StrEnum):
    """How severe a finding is, worst first."""

    ERROR = "error"  # the file is wrong
    REFUSED = "refused"  # the file is right, this target cannot do it
    WARNING = "warning"  # rendered, but look at it
    NOTE = "note"  # worth knowing


class Rule(Enum):
    """One kind of finding. PC1xx: the text, 2xx: a key or value, 3xx: the whole, 4xx: a target, 5xx: the app server."""

    YAML = "PC101", Level.ERROR, "The file is not YAML, or not UTF-8.", "Mend the text at the place."
    TOO_LARGE = "PC102", Level.ERROR, "The file is larger or deeper than a site can be.", "Split it into several sites."
    DUPLICATE_KEY = "PC103", Level.ERROR, "A key stands twice in one mapping.", "YAML readers keep one of the two, silently. Remove one."
    KEY_FORM = "PC104", Level.ERROR, "A key is not plain text.", "Keys are text without variables or control characters."
    TAG = "PC105", Level.ERROR, "A YAML tag or an alias that holds itself.", "Write plain values."
    NO_VALUE = "PC106", Level.ERROR, "A key without a value.", "Give a value, write {} for the defaults, or remove the key."
    VARIABLE = "PC107", Level.ERROR, "A ${NAME} that cannot be replaced.", "Give it by --set or in the environment, or a default: ${NAME:-default}. $${ is a plain ${."
    CONTROL_CHARACTER = "PC108", Level.ERROR, "A character that nobody sees and configurations break on.", "Remove it."

    UNKNOWN_KEY = "PC201", Level.ERROR, "A key that does not exist.", "An unknown key is never ignored: a misspelt limit would be no limit."
    MISSING_KEY = "PC202", Level.ERROR, "A key that has to be there is not.", "Add it."
    WRONG_TYPE = "PC203", Level.ERROR, "A value of another kind than the key takes.", "Text that looks like a number or a truth value needs quotes."
    WRONG_FORM = "PC204", Level.ERROR, "A value that does not have the form the key asks for.", "The message shows the form."
    UNKNOWN_WORD = "PC205", Level.ERROR, "A word that is not one of those the key takes.", "The message lists them."
    OUT_OF_BOUNDS = "PC206", Level.ERROR, "A number outside its bounds.", "The message names the bounds."
    EXCLUSIVE = "PC207", Level.ERROR, "Keys that exclude or need each other.", "Remove or add the one that the message names."

    UNKNOWN_NAME = "PC301", Level.ERROR, "A name that is defined nowhere.", "Define it, or correct it."
    REPEATED = "PC302", Level.ERROR, "The same thing stands twice where it may stand once.", "Remove one."
    UNREACHABLE = "PC303", Level.ERROR, "A route that can never match: an earlier one takes everything.", "The first match wins. Move it up or remove it."
    LOOP = "PC304", Level.ERROR, "An upstream that is one of the proxy's own listeners.", "A request would circle. Correct one of the two addresses."
    UNUSED = "PC305", Level.WARNING, "Something that is defined and used nowhere.", "Use it or remove it."
    TRUST_EVERYBODY = "PC306", Level.ERROR, "Everybody may speak for the client.", "Name the proxies in front; if everybody is really meant write `any`."
    PRIVATE_NAME = "PC307", Level.ERROR, "A public CA certifies no private name or address.", "Write `issuer: internal`, or give certificate files."
    GUESS = "PC308", Level.WARNING, "The upstream's protocol is a guess.", "h2c in front of a server that speaks HTTP/1.1 only is 502 on everything. Write `protocol:`, or the `appserver:` section."
    UNREACHABLE_REGEX = "PC309", Level.WARNING, "A route that probably never matches; a regular expression is involved.", "The first match wins. Move it up."
    DUPLICATE = "PC310", Level.WARNING, "The same thing stands twice and once would do.", "Remove one."
    ORDER = "PC311", Level.ERROR, "Two values that contradict each other.", "The message says which has to be larger."
    TRUST_ANY = "PC312", Level.WARNING, "`any` trusts everybody who reaches the listener.", "Anyone can forge the client's address. Close the listener to all but the proxies in front."

    CANNOT = "PC401", Level.REFUSED, "The target cannot do what the site asks for.", "The options are in the message. What may be left out can be said under `policy:`."
    DEGRADED = "PC402", Level.NOTE, "The target cannot do it and the policy allows to go without.", "What is lost stands in the message, in the banner and in the report."
    DEGRADED_WARNING = "PC403", Level.WARNING, "The target cannot do it and the policy says to warn.", "What is lost stands in the message, in the banner and in the report."
    TOO_OLD = "PC404", Level.REFUSED, "The target's version is older than any that was run here.", "Use a newer one."
    UNTRIED = "PC405", Level.NOTE, "The target's version is newer than any that was run here.", "Let it check for itself: proxyconf check --native."
    UNQUOTABLE = "PC406", Level.REFUSED, "A text that the target's syntax has no way to write.", "Use a text without the character that the message names."
    LIMITATION = "PC407", Level.REFUSED, "A restriction of this proxy.", "The message says which, and the way out."
    RAW = "PC408", Level.NOTE, "Text that goes into the configuration as it stands.", "Nothing checks it but the proxy itself: proxyconf check --native."
    UNKNOWN_FEATURE = "PC409", Level.ERROR, "The policy names a feature that does not exist.", "The message lists the nearest; proxyconf matrix lists them all."
    UNKNOWN_PROXY = "PC410", Level.ERROR, "A proxy that cannot be rendered for.", "The message lists those that can."
    REMARK = "PC411", Level.NOTE, "Something about this proxy that is worth knowing.", "Read it."

    NO_APPSERVER = "PC501", Level.ERROR, "The site has no app server of ours.", "Add `appserver: {app: module:attribute}`."
    BIND = "PC502", Level.ERROR, "Where the app server listens and what the proxy connects to do not agree.", "Correct `appserver: bind` or the upstream."
    WHERE = "PC503", Level.ERROR, "Where the app server listens cannot be known from the file.", "Add `appserver: bind`."
    WHOM = "PC504", Level.ERROR, "Whom the app server trusts cannot be known from the file.", "Add `appserver: trust`, or use a unix socket or loopback."
    PAIR = "PC506", Level.ERROR, "The proxy would say what the server behind it does not understand.", "Change one of the two; the message says how."
    APPSERVER_REFUSES = "PC505", Level.ERROR, "The app server's own check refuses what would be written for it.", "The message is the app server's."

    def __init__(self, id: str, level: Level, title: str, way_out: str) -> None:
        """Keep the columns."""
        self.id = id
        self.level = level
        self.title = title
        self.way_out = way_out
