/* mac.h - what farmctl needs of libcrypto, which it is linked with statically. */
#include <openssl/evp.h>
