"""Read every Sigma rule of a directory with pySigma and hold it against its own validators; prints what they found as JSON."""

import json
import sys

from sigma.collection import SigmaCollection
from sigma.plugins import InstalledSigmaPlugins
from sigma.validation import SigmaValidator

rules = SigmaCollection.load_ruleset([sys.argv[1]], collect_errors=True)
validators = InstalledSigmaPlugins.autodiscover().validators
# Those of the public rule repository's own layout and word lists are not about these rules.
own = {name: one for name, one in validators.items() if "attack" not in name and "d3_fend" not in name and "filename" not in name}
issues = SigmaValidator(own.values()).validate_rules(iter(rules))
print(
    json.dumps(
        {
            "rules": len(rules.rules),
            "errors": [str(error) for rule in rules.rules for error in rule.errors] + [str(error) for error in rules.errors],
            "issues": sorted({type(issue).__name__ + ": " + ", ".join(rule.title for rule in issue.rules) for issue in issues}),
        }
    )
)
