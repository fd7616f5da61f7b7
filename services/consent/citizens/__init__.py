"""Who a citizen is, who acts for whom, and the sealed CPR numbers: pseudonyms, custody, authorities, cases."""
