#!/usr/bin/env perl
# Mints an instruction cookie: FARM_KEY_ID=k1 FARM_KEY=... ./mint.pl farm=app member=app1 exp=$(($(date +%s) + 600))
# Set it with Path=/; HttpOnly; Secure; SameSite=Lax:
#     print "Set-Cookie: farm=$value; Path=/; HttpOnly; Secure; SameSite=Lax\r\n";
# KID and KEY are a line KID:KEY of FarmSecretFile. No file with a key is ever to be in the web root.
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256);
use MIME::Base64 qw(encode_base64url);

# The fields are pairs of bytes, such as: mint($kid, $key, farm => 'app', to => 'gold', exp => time + 600)
sub mint {
    my ($kid, $key, @fields) = @_;
    s/([^A-Za-z0-9*._ -])/sprintf '%%%02X', ord $1/ge, tr/ /+/ for @fields;
    my @pairs = map { "$fields[2 * $_]=$fields[2 * $_ + 1]" } 0 .. $#fields / 2;
    my $signed = "v1.$kid." . encode_base64url(join '&', @pairs);
    return "$signed." . encode_base64url(hmac_sha256($signed, $key));
}

unless (caller) {
    my ($kid, $key) = map { $_ // '' } @ENV{qw(FARM_KEY_ID FARM_KEY)};
    die "usage: FARM_KEY_ID=KID FARM_KEY=KEY mint.pl name=value ...\n" if grep { !/=/ } @ARGV or $kid eq '' or $key eq '';
    print mint($kid, $key, map { split /=/, $_, 2 } @ARGV), "\n";
}
1;
