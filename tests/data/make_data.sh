#!/bin/bash
# Makes the fixtures of tests/unit with the openssl program alone, so that no expected value comes from
# libpki. README.md says what each file is. Run it only to add or to change a fixture: keys, and with
# them signatures, come out different each time, while names, numbers, dates and serials stay.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -f ./*.pem ./*.key ./*.der

cat > "$work/ca.cnf" <<CONFIG
[ca]
default_ca = this
[this]
database = $work/index.txt
new_certs_dir = $work
serial = $work/serial
crlnumber = $work/crlnumber
unique_subject = no
policy = any
[any]
countryName = optional
organizationName = optional
commonName = supplied
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[root_without_crl_sign]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[responder]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = OCSPSigning
noCheck = ignored
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[responder_without_nocheck]
keyUsage = critical, digitalSignature
extendedKeyUsage = OCSPSigning
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[without_purpose]
keyUsage = critical, digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[without_digital_signature]
keyUsage = critical, keyEncipherment
extendedKeyUsage = OCSPSigning
authorityKeyIdentifier = keyid
[unknown_critical]
keyUsage = critical, digitalSignature
extendedKeyUsage = OCSPSigning
1.2.3.4.5 = critical, DER:0500
[crl]
authorityKeyIdentifier = keyid
[crl_delta]
authorityKeyIdentifier = keyid
deltaCRL = critical, DER:020105
[crl_partition]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical, @partition
[partition]
fullname = URI:http://crl.example/1.crl
onlyuser = TRUE
[crl_indirect]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical, @indirect
[indirect]
indirectCRL = TRUE
CONFIG

new_key() {  # name genpkey-arguments...
  openssl genpkey -out "$1.key" "${@:2}" 2> /dev/null
}

# Signs with the key of `issuer` (or its own, for a root): name issuer common-name section from to args...
certificate() {
  local name=$1 issuer=$2 subject=$3 section=$4 from=$5 to=$6
  local -a sign=(-cert "$issuer.pem" -keyfile "$issuer.key")
  if [ "$name" = "$issuer" ]; then sign=(-selfsign -keyfile "$issuer.key"); fi
  openssl req -new -config <(printf '[req]\ndistinguished_name=n\n[n]\n') -key "$name.key" \
    -subj "/C=JP/O=Tashika test/CN=$subject" -out "$work/$name.csr"
  : > "$work/index.txt"
  openssl ca -batch -notext -config "$work/ca.cnf" "${sign[@]}" -in "$work/$name.csr" \
    -out "$name.pem" -extensions "$section" -startdate "$from" -enddate "$to" "${@:7}" 2> /dev/null
}
from=20200101000000Z
to=20991231235959Z
pss=(-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest)

# --- authorities ---
echo 1000 > "$work/serial"
new_key ca_rsa -algorithm RSA -pkeyopt rsa_keygen_bits:2048
new_key ca_pss -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048
new_key ca_p256 -algorithm EC -pkeyopt ec_paramgen_curve:P-256
new_key ca_p384 -algorithm EC -pkeyopt ec_paramgen_curve:P-384
new_key ca_p521 -algorithm EC -pkeyopt ec_paramgen_curve:P-521
new_key ca_ed25519 -algorithm ED25519
new_key ca_p256_rekeyed -algorithm EC -pkeyopt ec_paramgen_curve:P-256
new_key ca_no_crl_sign -algorithm EC -pkeyopt ec_paramgen_curve:P-256
certificate ca_rsa ca_rsa "RSA CA" root $from $to -md sha256
certificate ca_pss ca_pss "PSS CA" root $from $to -md sha256 "${pss[@]}"
certificate ca_p256 ca_p256 "P-256 CA" root $from $to -md sha256
certificate ca_p384 ca_p384 "P-384 CA" root $from $to -md sha384
certificate ca_p521 ca_p521 "P-521 CA" root $from $to -md sha512
certificate ca_ed25519 ca_ed25519 "Ed25519 CA" root $from $to -md default
certificate ca_p256_rekeyed ca_p256_rekeyed "P-256 CA" root $from $to -md sha256
certificate ca_no_crl_sign ca_no_crl_sign "P-256 CA" root_without_crl_sign $from $to -md sha256

# --- responders; the keys are shared, since only the certificates differ ---
echo 2000 > "$work/serial"
new_key responder -algorithm EC -pkeyopt ec_paramgen_curve:P-256
new_key responder_rsa -algorithm RSA -pkeyopt rsa_keygen_bits:2048
responder() {  # name issuer section from to
  [ -f "$1.key" ] || cp responder.key "$1.key"
  certificate "$1" "$2" "Responder" "$3" "$4" "$5" -md sha256
  [ "$1" = responder ] || [ "$1" = responder_rsa ] || rm "$1.key"
}
responder responder ca_p256 responder $from $to
responder responder_rsa ca_rsa responder $from $to
responder responder_no_nocheck ca_p256 responder_without_nocheck $from $to
responder responder_no_purpose ca_p256 without_purpose $from $to
responder responder_no_signature ca_p256 without_digital_signature $from $to
responder responder_unknown_critical ca_p256 unknown_critical $from $to
responder responder_other_key ca_p256_rekeyed responder $from $to
responder responder_other_ca ca_rsa responder $from $to
responder responder_expired ca_p256 responder 20200101000000Z 20210101000000Z

# --- odd keys ---
new_key key_rsa1024 -algorithm RSA -pkeyopt rsa_keygen_bits:1024
new_key key_secp256k1 -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1
openssl pkey -in ca_p256.key -aes256 -passout pass:secret -out key_encrypted.key
openssl ec -in ca_p256.key -out key_p256_traditional.key 2> /dev/null
certificate key_rsa1024 key_rsa1024 "Short RSA" root $from $to -md sha256
certificate key_secp256k1 key_secp256k1 "Odd curve" root $from $to -md sha256

# --- CRLs: one set of entries, signed in every way ---
crl() {  # name issuer section gencrl-arguments...
  local form=DER
  if [ "$1" = crl_pem ]; then form=PEM; fi
  printf 'R\t491231235959Z\t%s\t%s\tunknown\t/CN=x\n' \
    260115093000Z 01 \
    260115093001Z,keyCompromise 7F \
    991231235959Z,CACompromise 80 \
    260115093002Z,certificateHold 0123456789ABCDEF01 \
    260115093003Z,keyTime,20251224180000Z FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF \
    260115093004Z,superseded FFFFFFFFFFFFFFFF > "$work/index.txt"
  echo 0102030405060708090A0B0C0D0E0F10111213 > "$work/crlnumber"
  openssl ca -gencrl -config "$work/ca.cnf" -cert "$2.pem" -keyfile "$2.key" \
    -crlexts "$3" -crl_lastupdate 20260201000000Z -crl_nextupdate 20260208000000Z "${@:4}" \
    -out "$work/crl.pem" 2> /dev/null
  openssl crl -in "$work/crl.pem" -outform $form -out "$1.${form,,}"
}
crl crl_rsa_sha256 ca_rsa crl -md sha256
crl crl_rsa_sha384 ca_rsa crl -md sha384
crl crl_rsa_sha512 ca_rsa crl -md sha512
crl crl_rsa_sha1 ca_rsa crl -md sha1
crl crl_rsa_md5 ca_rsa crl -md md5
crl crl_rsa_pss_sha256 ca_rsa crl -md sha256 "${pss[@]}"
crl crl_pss_sha256 ca_pss crl -md sha256 "${pss[@]}"
crl crl_pss_sha384 ca_pss crl -md sha384 "${pss[@]}"
crl crl_pss_sha512 ca_pss crl -md sha512 "${pss[@]}"
crl crl_pss_salt20 ca_pss crl -md sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20
crl crl_pss_sha1 ca_pss crl -md sha1 "${pss[@]}"
crl crl_p256_sha256 ca_p256 crl -md sha256
crl crl_p256_sha512 ca_p256 crl -md sha512
crl crl_p256_sha1 ca_p256 crl -md sha1
crl crl_p384_sha384 ca_p384 crl -md sha384
crl crl_p521_sha512 ca_p521 crl -md sha512
crl crl_ed25519 ca_ed25519 crl -md default
crl crl_delta ca_p256 crl_delta -md sha256
crl crl_partition ca_p256 crl_partition -md sha256
crl crl_indirect ca_p256 crl_indirect -md sha256
crl crl_pem ca_p256 crl -md sha256

# --- OCSP requests ---
request() {  # name arguments...
  openssl ocsp -issuer ca_p256.pem -reqout "$1.der" "${@:2}" > /dev/null
}
request request_sha1 -sha1 -serial 0x80 -no_nonce
request request_sha256 -sha256 -serial 0x80 -no_nonce
request request_sha384 -sha384 -serial 0x80 -no_nonce
request request_sha512 -sha512 -serial 0x80 -no_nonce
request request_md5 -md5 -serial 0x80 -no_nonce
request request_nonce -sha1 -serial 0x80 -nonce
request request_three -sha256 -serial 0x01 -serial 0x02 \
  -serial 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF -nonce
request request_signed -sha1 -serial 0x80 -signer responder.pem -signkey responder.key

# --- OCSP responses, by the responder of openssl; producedAt is the moment of making ---
printf '%s\t491231235959Z\t%s\t%s\tunknown\t/CN=x\n' \
  R 260115093001Z,keyCompromise 01 \
  R 260115093002Z 80 \
  V '' 02 > "$work/index.txt"
response() {  # name request arguments...
  openssl ocsp -index "$work/index.txt" -CA ca_p256.pem -rsigner responder.pem -rkey responder.key \
    -reqin "$2.der" -respout "$1.der" -ndays 7 "${@:3}" > /dev/null 2>&1
}
response response_by_name request_sha1
response response_by_key request_sha1 -resp_key_id
response response_three request_three
response response_no_certificates request_nonce -resp_no_certs
openssl ocsp -index "$work/index.txt" -CA ca_p256.pem -rsigner ca_p256.pem -rkey ca_p256.key \
  -reqin request_sha256.der -respout response_no_next_update.der > /dev/null 2>&1
