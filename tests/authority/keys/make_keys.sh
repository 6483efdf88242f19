#!/bin/sh
# Makes the RSA-2048 keys of the stand-in authority anew. TEST ONLY: the keys are public, in this repository.
# New keys change every certificate and signature that the generator makes, so run this only with a reason.
set -eu
cd "$(dirname "$0")"
for name in rsa2048-1 rsa2048-2 rsa2048-3 rsa2048-4 \
  authority-01 authority-02 authority-03 authority-04 authority-05 authority-06 \
  authority-07 authority-08 authority-09 authority-10 authority-11 authority-12; do
  openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "test-only-$name.pem"
done
