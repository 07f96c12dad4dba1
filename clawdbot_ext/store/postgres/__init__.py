"""The store on PostgreSQL. The only package that imports psycopg, which is installed with the extra ``postgres``."""
