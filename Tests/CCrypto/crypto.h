/* crypto.h - what the tests' host needs of libcrypto. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
