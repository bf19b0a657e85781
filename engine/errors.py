"""What the outside world can do to us: every class says whether to try again."""


class RulemillError(Exception):
    """The root of all errors that this engine raises on purpose."""


class StoreUnavailable(RulemillError):
    """The state store did not answer, or not in time: the request may or may not have been carried out.

    Every request of the store may be repeated as it was; do so.
    """


class EgressUnavailable(RulemillError):
    """The egress can take nothing now; records may or may not be out. Try again, or retire the owner."""


class OwnerGone(RulemillError):
    """This owner's lease has ended: nothing more may be published or committed under its name. Retire."""


class SettingsInvalid(RulemillError):
    """A setting cannot be used. The text names it, the value found, and what is expected. Do not retry."""


class LookupFailed(RulemillError):
    """An enrichment source gave no answer. The event goes on without it, and is stamped."""


class QuestionInvalid(RulemillError):
    """What was asked about names something that is not there, or is not of the form that is asked for. Do not retry."""


class NotKnown(RulemillError):
    """There is nothing of the name that was asked for; the text says what there is. Do not retry."""


class QueryInvalid(RulemillError):
    """What was asked cannot be answered as it was put; the text says what is expected. Do not retry."""
