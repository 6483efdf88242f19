#!/bin/sh
# Checks what jlis-standin writes against OpenSSL's own tools. Usage: selftest.sh PATH-OF-JLIS-STANDIN
set -eu
standin=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() { echo "authority_selftest: $*" >&2; exit 1; }
now=2026-04-01T00:00:00Z
at=1775001600 # the same moment, for openssl -attime

# Certificates: the chain holds, the responder may answer, the same seed gives the same octets.
for algorithm in rsa2048 p256 p384; do
  "$standin" pki --out $algorithm --seed 7 --now $now --algorithm $algorithm --certificates 2 >crl.log
  openssl verify -attime $at -x509_strict -CAfile $algorithm/ca.pem $algorithm/responder.pem \
    $algorithm/certificate-1000.pem $algorithm/certificate-1001.pem >verify.log 2>&1 ||
    fail "$algorithm: $(cat verify.log)"
done
"$standin" pki --out again --seed 7 --now $now --certificates 2 >crl.log
diff -r rsa2048 again >&2 || fail "the same seed made two different hierarchies"
cmp -s p256/ca.key p384/ca.key && fail "two curves share a key"

# An OCSP round trip by OpenSSL alone: its responder signs with the delegated certificate, its client accepts that.
printf 'V\t310101000000Z\t\t1000\tunknown\t/CN=x\nR\t310101000000Z\t260101000000Z\t1001\tunknown\t/CN=y\n' >index.txt
openssl ocsp -no_nonce -issuer rsa2048/ca.pem -cert rsa2048/certificate-1000.pem \
  -cert rsa2048/certificate-1001.pem -reqout request.der 2>/dev/null
openssl ocsp -index index.txt -CA rsa2048/ca.pem -rsigner rsa2048/responder.pem -rkey rsa2048/responder.key \
  -reqin request.der -respout response.der >ocsp.log 2>&1
openssl ocsp -no_nonce -attime $at -CAfile rsa2048/ca.pem -issuer rsa2048/ca.pem -cert rsa2048/certificate-1000.pem \
  -cert rsa2048/certificate-1001.pem -respin response.der >ocsp.log 2>&1 || fail "ocsp: $(cat ocsp.log)"
grep -q 'Response verify OK' ocsp.log || fail "openssl ocsp refuses the responder: $(cat ocsp.log)"

# Prints the serials of crl.der in their order.
crl_serials() { openssl crl -inform DER -in crl.der -noout -text | sed -n 's/^ *Serial Number: //p'; }

# Lists: every kind, order and algorithm verifies; count, uniqueness, order and the pickers are right.
check_list() {
  algorithm=$1 kind=$2 order=$3
  name="$algorithm $kind $order"
  "$standin" crl --ca $algorithm/ca.pem --key $algorithm/ca.key --out crl.der --entries 3000 --seed 5 \
    --serials $kind --order $order --number 42 --this-update $now --revoke 1001:certificateHold --revoke FFEE01 >crl.log
  openssl crl -inform DER -in crl.der -CAfile $algorithm/ca.pem -noout >verify.log 2>&1
  grep -q 'verify OK' verify.log || fail "$name: $(cat verify.log)"
  openssl asn1parse -inform DER -in crl.der >parse.log || fail "$name: not DER"
  crl_serials >listed
  LC_ALL=C sort -u listed >listed.sorted
  [ "$(wc -l <listed.sorted)" = 3002 ] || fail "$name: not 3002 different serials"
  if [ $order = sorted ]; then
    # As numbers: first by length, then by digits.
    awk '{ print length($0), $0 }' listed | LC_ALL=C sort -c -k1,1n -k2,2 || fail "$name: not ascending"
  fi
  options="--entries 3000 --seed 5 --serials $kind --revoke 1001 --revoke FFEE01"
  "$standin" serials $options --count 3002 --seed2 3 | LC_ALL=C sort >present
  cmp -s present listed.sorted || fail "$name: 'serials' and the list differ"
  "$standin" serials $options --count 2000 --seed2 3 --absent | LC_ALL=C sort -u >absent
  [ "$(wc -l <absent)" = 2000 ] || fail "$name: --absent repeats itself"
  [ -z "$(LC_ALL=C comm -12 absent listed.sorted)" ] || fail "$name: --absent printed a listed serial"
}
for kind in counter uniform64 random20; do
  for order in issue sorted shuffled; do check_list rsa2048 $kind $order; done
done
check_list p256 counter shuffled
check_list p384 random20 issue
openssl crl -inform DER -in crl.der -noout -text >text.log
grep -A1 'CRL Number' text.log | grep -q 42 || fail "CRLNumber is not 42"
grep -A4 'Serial Number: 1001$' text.log | grep -q 'Certificate Hold' || fail "the reason of --revoke is lost"

# Determinism, growth, the empty list, refusals.
list() { "$standin" crl --ca rsa2048/ca.pem --key rsa2048/ca.key --this-update $now --order issue "$@" >crl.log; }
list --out one.der --entries 1000 --seed 9
list --out two.der --entries 1000 --seed 9
cmp one.der two.der || fail "the same seed made two different lists"
"$standin" crl --ca rsa2048/ca.pem --key rsa2048/ca.key --out crl.der --entries 1001 --seed 9 --order issue \
  --number 2 --this-update 2026-04-02T00:00:00Z >crl.log
openssl crl -inform DER -in one.der -noout -text | sed -n '/Revoked/,/Signature/p' | grep -v Signature >short.log
openssl crl -inform DER -in crl.der -noout -text | sed -n '/Revoked/,/Signature/p' | head -n "$(wc -l <short.log)" |
  cmp - short.log || fail "tomorrow's list does not begin with today's entries"
list --out crl.der --entries 0
openssl crl -inform DER -in crl.der -noout -text | grep -q 'No Revoked' || fail "the empty list is not empty"
listed=$("$standin" serials --entries 1000 --seed 9 --count 1)
if list --out crl.der --entries 1000 --seed 9 --revoke "$listed" 2>error.log; then
  fail "a serial was listed twice"
fi
grep -q 'holds this serial already' error.log || fail "unclear message: $(cat error.log)"
code=0; "$standin" crl --entries 3 >error.log 2>&1 || code=$?
[ $code = 2 ] || fail "wrong usage gave exit code $code, not 2"
for command in pki crl serials; do
  "$standin" $command --help | grep -q 'Example:' || fail "$command has no example"
done
echo "authority_selftest: all good"
