<?php
// Mints an instruction cookie: FARM_KEY_ID=k1 FARM_KEY=... php mint.php farm=app member=app1 exp=$(($(date +%s) + 600))
// Set it with:  setcookie('farm', $value,
//     ['path' => '/', 'httponly' => true, 'secure' => true, 'samesite' => 'Lax']);
// KID and KEY are a line KID:KEY of FarmSecretFile. No file with a key is ever to be in the web root.

function base64url(string $data): string
{
    return rtrim(strtr(base64_encode($data), '+/', '-_'), '=');
}

/** $fields: such as ['farm' => 'app', 'to' => 'gold', 'exp' => time() + 600] */
function mint(string $kid, string $key, array $fields): string
{
    $signed = "v1.$kid." . base64url(http_build_query($fields, '', '&'));
    return $signed . '.' . base64url(hash_hmac('sha256', $signed, $key, true));
}

if (PHP_SAPI === 'cli' && realpath($argv[0]) === __FILE__) {
    [$kid, $key, $fields] = [(string) getenv('FARM_KEY_ID'), (string) getenv('FARM_KEY'), []];
    foreach (array_slice($argv, 1) as $argument) {
        [$name, $fields[$name]] = explode('=', $argument, 2) + [1 => null];
    }
    if ($kid === '' || $key === '' || in_array(null, $fields, true)) {
        fwrite(STDERR, "usage: FARM_KEY_ID=KID FARM_KEY=KEY php mint.php name=value ...\n");
        exit(1);
    }
    echo mint($kid, $key, $fields), "\n";
}
