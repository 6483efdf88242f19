#!/bin/sh
# Makes the RSA-2048 keys of the stand-in authority anew. TEST ONLY: the keys are public, in this repository.
# New keys change every certificate and signature that the generator makes, so run this only with a reason.
set -eu
cd "$(dirname "$0")"
for number in 1 2 3 4; do
  openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "test-only-rsa2048-$number.pem"
done
