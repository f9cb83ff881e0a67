"""Many cases, a block at a time: predictions into a folder, by this machine or by a cluster.

::

    predict     what is done with one block, and all of them
    output      the folder of predictions: what is in it, and whether it is of this model
"""
