"""Data of one's own: tables, arrays and folders of files, understood and read.

::

    data_file       a file's bytes, their hash, what they are unpacked from
    text_table      CSV and TSV        columnar_table  Parquet and Feather
    columns, roles  what the columns hold, and which is the label, the case, the time
    long, wide      a row for each timestep, or for each case
    arrays          .npz               case_folder     a file for each case
    sources         which of these a path is
    splits          train and test
    read            all of it
"""
