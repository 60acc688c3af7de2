"""Times sigstore-python on one bundle: from the bundle's bytes to its answer, with the trusted root read beforehand.

verify.py BUNDLE TRUSTED_ROOT ISSUER SUBJECT ROUNDS prints the microseconds of each round, one a line. It ends with an
exception, and so with another status than 0, where the bundle is refused.
"""

import sys
import time

from sigstore.models import Bundle, TrustedRoot
from sigstore.verify import Verifier, policy

bundle, root, issuer, subject, rounds = sys.argv[1:]
with open(bundle, "rb") as file:
    raw = file.read()
verifier = Verifier(trusted_root=TrustedRoot.from_file(root))
who = policy.Identity(identity=subject, issuer=issuer)
for _ in range(int(rounds)):
    start = time.perf_counter()
    verifier.verify_dsse(Bundle.from_json(raw), who)
    print(f"{(time.perf_counter() - start) * 1e6:.1f}")
